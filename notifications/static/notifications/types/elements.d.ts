/** The one module that a page loads. */
import { NotificationBell } from "./bell.js";
import { NotificationInbox } from "./inbox_element.js";
import { NotificationPopups } from "./popups.js";
export { NotificationsClient } from "./client.js";
export { NotificationBell, NotificationInbox, NotificationPopups };
