/** The one module that a page loads. */

import { NotificationBanner } from "./banner.js";
import { NotificationBell } from "./bell.js";
import { NotificationDesktop } from "./desktop.js";
import { NotificationInbox } from "./inbox_element.js";
import { NotificationPopups } from "./popups.js";

export { NotificationsClient } from "./client.js";
export { NotificationBanner, NotificationBell, NotificationDesktop, NotificationInbox, NotificationPopups };

// The bell first: the others look for its client.
for (const [name, element] of Object.entries({
  "notification-bell": NotificationBell,
  "notification-popups": NotificationPopups,
  "notification-inbox": NotificationInbox,
  "notification-banner": NotificationBanner,
  "notification-desktop": NotificationDesktop,
})) {
  if (!customElements.get(name)) customElements.define(name, element);
}
