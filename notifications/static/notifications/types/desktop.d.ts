/**
 * `<notification-desktop>`: a button that turns the system's notifications on and off in this browser. A page that wants
 * it loads this module as well. Nothing is ever asked but by the user's press of the button.
 */
import { NotificationsElement } from "./context.js";
/** Reflects `state`: `on`, `off`, or `denied` by the browser; hidden where there is no such thing. */
export declare class NotificationDesktop extends NotificationsElement {
    #private;
    get on(): boolean;
    /** @param {import("./context.js").Context} context */
    start(context: import("./context.js").Context): void;
    detach(): void;
}
