/** `<notification-popups>`: what has just happened, in the corner, without ever taking the focus. */
import { NotificationsElement } from "./context.js";
/** Attributes: `corner` (`bottom-end`, `top-end`, `bottom-start`, `top-start`), `sound`. */
export declare class NotificationPopups extends NotificationsElement {
    #private;
    /** @param {import("./context.js").Context} context */
    attach(context: import("./context.js").Context): void;
    /** @param {import("./context.js").Context} context */
    start({ messages: m }: import("./context.js").Context): void;
    detach(): void;
}
