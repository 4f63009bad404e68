/** `<notification-bell>`: the button with the count, and the panel with the list. */
import { NotificationsElement } from "./context.js";
/**
 * Attributes: `uid`, `socket`, `api`, `inbox`, `catalog`, `csrf-cookie`. Reflects `state`. Events: `open`, `close`.
 */
export declare class NotificationBell extends NotificationsElement {
    #private;
    open(): void;
    close(): void;
    /** @param {import("./context.js").Context} context */
    start(context: import("./context.js").Context): void;
    detach(): void;
}
