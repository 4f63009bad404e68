/** The one module that a page loads. */

import { NotificationBell } from "./bell.js";
import { NotificationInbox } from "./inbox_element.js";
import { NotificationPopups } from "./popups.js";

export { NotificationsClient } from "./client.js";
export { NotificationBell, NotificationInbox, NotificationPopups };

// The bell first: the others look for its client.
for (const [name, element] of Object.entries({
  "notification-bell": NotificationBell,
  "notification-popups": NotificationPopups,
  "notification-inbox": NotificationInbox,
})) {
  if (!customElements.get(name)) customElements.define(name, element);
}
