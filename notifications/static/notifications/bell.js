/** `<notification-bell>`: the button with the count, and the panel with the list. */

import { AppBadge } from "./app_badge.js";
import { NotificationsElement } from "./context.js";
import { h, icon, setText } from "./dom.js";
import { ListView } from "./list_view.js";

const PAGE = 20;
const GAP = 8;
const CALM_MS = 1_000; // a count that runs is spoken once

/**
 * Attributes: `uid`, `socket`, `api`, `inbox`, `catalog`, `csrf-cookie`. Reflects `state`. Events: `open`, `close`.
 */
export class NotificationBell extends NotificationsElement {
  /** @type {any} */ #button;
  /** @type {any} */ #badge;
  /** @type {any} */ #panel;
  /** @type {any} */ #spoken;
  /** @type {AppBadge|null} */ #onIcon = null;
  /** @type {ListView|null} */ #list = null;
  /** @type {any} */ #speaking = null;
  #count = 0;
  #abort = new AbortController();

  open() {
    this.#panel?.showPopover();
  }

  close() {
    this.#panel?.hidePopover();
  }

  /** @param {import("./context.js").Context} context */
  start(context) {
    const { client, messages: m } = context;
    this.#abort = new AbortController();
    this.#badge = h("span", { class: "badge", part: "badge", hidden: true, dir: "ltr", "aria-hidden": "true" });
    this.#button = h("button", { class: "bell", part: "button", type: "button", "aria-haspopup": "dialog" }, icon("bell"), this.#badge);
    this.#spoken = h("div", { class: "sr", role: "status" });
    this.#list = new ListView(context, { limit: PAGE, heading: m.gettext("Notifications"), scrolls: true });
    this.#panel = h("div", { class: "panel", part: "panel", popover: "auto", role: "dialog", tabindex: "-1", autofocus: true, "aria-label": m.gettext("Notifications") },
      this.#list.element,
      context.inbox ? h("a", { class: "foot", part: "footer", href: context.inbox }, m.gettext("All messages")) : null);
    this.#button.popoverTargetElement = this.#panel;
    this.#panel.addEventListener("beforetoggle", (/** @type {any} */ event) => event.newState === "open" && this.#place());
    this.#panel.addEventListener("toggle", (/** @type {any} */ event) => this.#toggled(event.newState === "open"));
    this.root.replaceChildren(this.#button, this.#spoken, this.#panel);
    this.#onIcon = new AppBadge(client, context.environment);
    const { signal } = this.#abort;
    client.addEventListener("unread", () => this.#draw(), { signal });
    client.addEventListener("state", () => this.#draw(), { signal });
    addEventListener("resize", () => this.#place(), { signal });
    this.#count = client.unread;
    this.#draw();
  }

  detach() {
    this.#abort.abort();
    this.#list?.close();
    clearTimeout(this.#speaking);
  }

  #draw() {
    if (!this.context) return;
    const { client, messages: m } = this.context;
    const { unread, state } = client;
    this.setAttribute("state", state);
    this.#onIcon?.show();
    this.#badge.hidden = !unread;
    setText(this.#badge, unread > 99 ? "99+" : String(unread));
    const parts = [m.gettext("Notifications"), this.#counted(unread)];
    if (state === "offline") parts.push(m.gettext("offline"));
    if (state === "closed") parts.push(m.gettext("not connected"));
    const name = parts.filter(Boolean).join(", ");
    if (this.#button.getAttribute("aria-label") !== name) this.#button.setAttribute("aria-label", name);
    if (unread > this.#count) this.#speak();
    this.#count = unread;
  }

  /** @param {number} unread */
  #counted(unread) {
    const { messages: m } = /** @type {import("./context.js").Context} */ (this.context);
    const n = new Intl.NumberFormat(m.language).format(unread);
    return unread ? m.ngettext("%(n)s unread", "%(n)s unread", unread, { n }) : "";
  }

  // Popups speak for themselves.
  #speak() {
    if (document.querySelector("notification-popups")) return;
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => { this.#spoken.textContent = this.#counted(this.#count); }, CALM_MS);
  }

  /** @param {boolean} open */
  #toggled(open) {
    this.context?.listOpen(this, open);
    if (open) this.#list?.open();
    else {
      this.#list?.rest();
      // Whoever closed it by a key goes on where they were; a click elsewhere has moved the focus already.
      if ([document.body, this].includes(/** @type {any} */ (document.activeElement))) this.#button.focus();
    }
    this.dispatchEvent(new Event(open ? "open" : "close"));
  }

  /** Under the button, its end at the button's end, and always within the window. */
  #place() {
    const box = this.#button.getBoundingClientRect();
    const width = Math.min(400, innerWidth - 2 * GAP);
    const start = getComputedStyle(this).direction === "rtl" ? box.left : box.right - width;
    const below = innerHeight - box.bottom >= Math.min(320, box.top);
    const { style } = this.#panel;
    style.width = `${width}px`;
    style.left = `${Math.max(GAP, Math.min(start, innerWidth - width - GAP))}px`;
    style.top = below ? `${box.bottom + GAP}px` : "auto";
    style.bottom = below ? "auto" : `${innerHeight - box.top + GAP}px`;
    style.maxHeight = `${(below ? innerHeight - box.bottom : box.top) - 2 * GAP}px`;
  }
}
