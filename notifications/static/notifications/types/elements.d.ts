/** The one module that a page loads. */
import { NotificationBanner } from "./banner.js";
import { NotificationBell } from "./bell.js";
import { NotificationDesktop } from "./desktop.js";
import { NotificationInbox } from "./inbox_element.js";
import { NotificationPopups } from "./popups.js";
export { NotificationsClient } from "./client.js";
export { NotificationBanner, NotificationBell, NotificationDesktop, NotificationInbox, NotificationPopups };
