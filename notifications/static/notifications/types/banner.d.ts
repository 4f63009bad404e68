/** `<notification-banner>`: what concerns the whole page, in its flow, until it is read, over, or put away. */
import { NotificationsElement } from "./context.js";
/** Shows the newest unread item of `display: banner`; the next one once that is dealt with. */
export declare class NotificationBanner extends NotificationsElement {
    #private;
    /** @param {import("./context.js").Context} context */
    start({ client }: import("./context.js").Context): void;
    detach(): void;
}
