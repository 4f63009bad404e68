/** `<notification-banner>`: what concerns the whole page, in its flow, until it is read, over, or put away. */

import { NotificationsElement } from "./context.js";
import { button, h, icon, setText } from "./dom.js";
import { levelName } from "./popup_card.js";
import { PopupMemory } from "./popup_memory.js";
import { safeUrl } from "./protocol.js";

const EXPIRY_MS = 10_000; // the server tells of an item's end as well

/** Shows the newest unread item of `display: banner`; the next one once that is dealt with. */
export class NotificationBanner extends NotificationsElement {
  /** @type {any} */ #spoken;
  /** @type {any} */ #place;
  /** @type {string|null} */ #drawn = null;
  /** @type {any} */ #timer = null;
  #abort = new AbortController();

  /** @param {import("./context.js").Context} context */
  start({ client }) {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#spoken = h("div", { class: "sr", role: "status" });
    this.#place = h("div");
    this.root.replaceChildren(this.#spoken, this.#place);
    for (const type of ["notification", "inbox", "read", "retracted"]) client.addEventListener(type, () => this.#draw(), { signal });
    client.preferences.addEventListener("change", () => this.#draw(), { signal });
    client.preferences.follow();
    this.#timer = setInterval(() => this.#draw(), EXPIRY_MS);
    this.#draw();
  }

  detach() {
    this.#abort.abort();
    clearInterval(this.#timer);
    this.#drawn = null;
  }

  #draw() {
    if (!this.context) return;
    const { client, environment, messages: m } = this.context;
    const memory = new PopupMemory(environment.storage, client.uid ?? "");
    const items = client.items.filter((item) => item.display === "banner" && !client.expired(item)
      && !memory.isPutAway(item.id) && !client.preferences.muted(item.kind));
    const item = items[items.length - 1];
    const from = item ? `${item.id} ${items.length}` : null;
    if (from === this.#drawn) return;
    this.#drawn = from;
    const focused = !!this.root.activeElement;
    this.#place.replaceChildren(...(item ? [this.#banner(item, items.length - 1, memory)] : []));
    // The button that was pressed is gone; the next banner, or else the page, is where to go on.
    if (focused) (this.#place.querySelector(".banner") ?? document.querySelector("main"))?.focus();
    setText(this.#spoken, item ? [levelName(item, m), item.title, item.body].filter(Boolean).join(". ") : "");
  }

  /** @param {import("./protocol.js").Item} item @param {number} more @param {PopupMemory} memory */
  #banner(item, more, memory) {
    const { client, messages: m } = /** @type {import("./context.js").Context} */ (this.context);
    const url = safeUrl(item.url);
    const done = () => (item.confirm ? client.confirm(item.id) : client.read([item.id], { via: "popup" }));
    const level = levelName(item, m);
    return h("section", { class: `banner ${item.level}`, part: `banner ${item.level}`, tabindex: "-1", "aria-labelledby": "title" },
      icon(item.level),
      h("div", { class: "text" },
        h("p", { class: "title", part: "title", id: "title", dir: "auto" }, level ? h("span", { class: "sr" }, `${level}: `) : null, item.title),
        item.body ? h("p", { class: "body", part: "body", dir: "auto" }, item.body) : null),
      h("div", { class: "actions" },
        button(item.confirm ? m.gettext("Confirm") : m.gettext("Got it"), "primary", done, { part: "confirm" }),
        url ? h("a", { class: "quiet", part: "open", href: url, onclick: () => item.confirm || done() }, m.gettext("Open")) : null,
        more ? h("span", { class: "count", role: "img", "aria-label": m.ngettext("%(n)s more notification", "%(n)s more notifications", more, { n: more }) }, `+${more}`) : null),
      item.confirm ? null : h("button", { class: "x", part: "close", type: "button", "aria-label": m.gettext("Close"), onclick: () => {
        memory.putAway([item.id]);
        this.#draw();
      } }, icon("close")));
  }
}
