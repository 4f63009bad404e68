/** `<notification-inbox>`: all messages. What the server has drawn inside it gives way once the element works. */
import { NotificationsElement } from "./context.js";
/** Attributes: `unread`, `kind` (what is shown first). Kinds to choose from are those of a `select[name=kind]` inside. */
export declare class NotificationInbox extends NotificationsElement {
    #private;
    /** @param {import("./context.js").Context} context */
    attach(context: import("./context.js").Context): void;
    /** @param {import("./context.js").Context} context */
    start(context: import("./context.js").Context): void;
    detach(): void;
}
