/** The count on the installed app's icon; only where the user has asked for it, in this browser. */

export class AppBadge {
  #client;
  #storage;

  /** @param {import("./client.js").NotificationsClient} client @param {import("./environment.js").Environment} env */
  constructor(client, { storage }) {
    this.#client = client;
    this.#storage = storage;
  }

  /** Whether there is such a thing in this browser. */
  static get possible() {
    return "setAppBadge" in navigator;
  }

  get #key() {
    return `notifications.app_badge.${this.#client.uid ?? ""}`;
  }

  get on() {
    return AppBadge.possible && this.#storage.getItem(this.#key) === "on";
  }

  /** @param {boolean} on the user's wish */
  wish(on) {
    try {
      this.#storage.setItem(this.#key, on ? "on" : "off");
    } catch {
      return; // Full: it stays as it was.
    }
    if (on) this.show();
    else navigator.clearAppBadge().catch(() => {});
  }

  /** The count as it is now. */
  show() {
    // Refused where the page is not installed as an app.
    if (this.on) navigator.setAppBadge(this.#client.unread).catch(() => {});
  }
}
