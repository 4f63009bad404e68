/**
 * `<notification-desktop>`: a button that turns the system's notifications on and off in this browser. A page that wants
 * it loads this module as well. Nothing is ever asked but by the user's press of the button.
 */

import { NotificationsElement } from "./context.js";
import { button } from "./dom.js";

/** Reflects `state`: `on`, `off`, or `denied` by the browser; hidden where there is no such thing. */
export class NotificationDesktop extends NotificationsElement {
  /** @type {any} */ #button;
  #abort = new AbortController();

  get #key() {
    return `notifications.desktop.${this.client?.uid ?? ""}`;
  }

  get on() {
    return globalThis.Notification?.permission === "granted" && this.context?.environment.storage.getItem(this.#key) === "on";
  }

  /** @param {import("./context.js").Context} context */
  start(context) {
    this.hidden = !globalThis.Notification;
    if (this.hidden) return;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#button = button("", "quiet", () => this.#toggle(), { part: "button" });
    this.root.replaceChildren(this.#button);
    document.querySelector("notification-popups")?.addEventListener("arrival", (event) => {
      if (document.hidden && this.on) this.#show(/** @type {CustomEvent} */ (event).detail.item);
    }, { signal });
    context.client.addEventListener("state", () => this.#draw(), { signal });
    this.#draw();
  }

  detach() {
    this.#abort.abort();
  }

  async #toggle() {
    const on = !this.on && (await Notification.requestPermission()) === "granted";
    try {
      this.context?.environment.storage.setItem(this.#key, on ? "on" : "off");
    } catch {
      // Full: it stays as it was.
    }
    this.#draw();
  }

  #draw() {
    if (!this.context) return;
    const { messages: m } = this.context;
    const denied = Notification.permission === "denied";
    this.setAttribute("state", denied ? "denied" : this.on ? "on" : "off");
    this.#button.disabled = denied;
    this.#button.textContent = denied
      ? m.gettext("Desktop notifications are blocked by the browser")
      : this.on ? m.gettext("Turn off desktop notifications") : m.gettext("Turn on desktop notifications");
  }

  /** @param {import("./protocol.js").Item} item */
  #show(item) {
    // Of several tabs in the background each says it; by the tag the system shows it once.
    const shown = new Notification(item.title, { body: item.body, tag: item.id, lang: this.context?.messages.language });
    shown.onclick = () => {
      focus();
      shown.close();
    };
  }
}

if (!customElements.get("notification-desktop")) customElements.define("notification-desktop", NotificationDesktop);
