/** `<notification-popups>`: what has just happened, in the corner, without ever taking the focus. */

import { NotificationsElement } from "./context.js";
import { button, h } from "./dom.js";
import { frame, levelName, popupCard } from "./popup_card.js";
import { PopupFeed } from "./popup_feed.js";

const TITLES = 3;

/** Attributes: `corner` (`bottom-end`, `top-end`, `bottom-start`, `top-start`), `sound`. */
export class NotificationPopups extends NotificationsElement {
  /** @type {PopupFeed|null} */ #feed = null;
  /** @type {any} */ #region = null;
  /** @type {any} */ #stack;
  /** @type {any} */ #more;
  /** @type {any} */ #polite;
  /** @type {any} */ #urgent;
  /** @type {Map<string, HTMLElement>} */ #cards = new Map();
  /** @type {Map<string, string>} what each card was drawn from */ #drawn = new Map();
  /** @type {HTMLElement|null} where the focus was before F8 */ #before = null;
  #abort = new AbortController();

  /** @param {import("./context.js").Context} context */
  attach(context) {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const begin = () => {
      if (this.#feed || context.client.uid === null) return;
      this.#feed = new PopupFeed(context.client, context.environment, {
        onchange: () => this.#draw(),
        onarrival: async (item) => {
          this.dispatchEvent(new CustomEvent("arrival", { detail: { item } }));
          if ((context.client.preferences.values.sound ?? this.hasAttribute("sound")) && !context.environment.hidden) (await import("./sound.js")).chime();
        },
      });
      this.#feed.listOpen(context.lists.size > 0);
    };
    begin();
    // A page that does not know its user hears of them by `welcome`.
    context.client.addEventListener("state", begin, { signal });
    context.addEventListener("lists", () => this.#feed?.listOpen(context.lists.size > 0), { signal });
  }

  /** @param {import("./context.js").Context} context */
  start({ messages: m }) {
    const { signal } = this.#abort;
    this.#more = button("", "more", () => this.context?.showList(), { part: "more", hidden: true, dir: "ltr" });
    this.#stack = h("ul", { class: "stack", role: "list" });
    this.#region = h("div", { class: "popups", part: "popups", popover: "manual", role: "region", "aria-label": m.gettext("New notifications") }, this.#more, this.#stack);
    this.#polite = h("div", { class: "sr", role: "status" });
    this.#urgent = h("div", { class: "sr", role: "alert" });
    this.root.replaceChildren(this.#polite, this.#urgent, this.#region);
    /** @param {string} type @param {string} reason @param {boolean} on */
    const pause = (type, reason, on) => this.#region.addEventListener(type, () => this.#feed?.queue.pause(reason, on));
    pause("pointerenter", "hover", true);
    pause("pointerleave", "hover", false);
    pause("focusin", "focus", true);
    pause("focusout", "focus", false);
    document.addEventListener("keydown", (event) => {
      if (event.key === "F8" && this.#cards.size) {
        event.preventDefault();
        this.#enter();
      }
    }, { signal });
    this.#draw();
  }

  detach() {
    this.#abort.abort();
    this.#feed?.close();
    this.#feed = this.#region = null;
    this.#cards.clear();
    this.#drawn.clear();
  }

  #draw() {
    if (!this.#region || !this.#feed || !this.context) return;
    const { messages: m } = this.context;
    const { shown, more } = this.#feed.queue;
    const keys = new Set(shown.map(({ key }) => key));
    const focused = /** @type {HTMLElement|null} */ (this.root.activeElement);
    const inside = !!focused && this.#region.contains(focused);
    for (const [key, card] of this.#cards) {
      if (keys.has(key)) continue;
      card.remove();
      this.#cards.delete(key);
      this.#drawn.delete(key);
    }
    for (const entry of shown) {
      const from = entry.items.map((item) => item.id).join();
      const old = this.#cards.get(entry.key);
      if (old && this.#drawn.get(entry.key) === from) continue;
      const card = entry.key === "summary" ? this.#summary(entry) : this.#card(entry);
      if (old) old.replaceWith(card);
      this.#cards.set(entry.key, card);
      this.#drawn.set(entry.key, from);
    }
    [...shown].reverse().forEach(({ key }, n) => {
      const card = this.#cards.get(key);
      if (card && this.#stack.children[n] !== card) this.#stack.insertBefore(card, this.#stack.children[n] ?? null);
    });
    this.#more.hidden = !more;
    this.#more.textContent = `+${more}`;
    this.#more.setAttribute("aria-label", m.ngettext("%(n)s more notification", "%(n)s more notifications", more, { n: more }));
    if (this.#region.matches(":popover-open") !== shown.length > 0) this.#region.togglePopover(shown.length > 0);
    // Hover and focus end with what had them, and no event tells of it.
    if (!shown.length) for (const reason of ["hover", "focus"]) this.#feed.queue.pause(reason, false);
    if (inside && !this.#region.contains(this.root.activeElement)) this.#enter();
  }

  /** @param {import("./popup_queue.js").Entry} entry */
  #card({ key, items: [item] }) {
    const { client, messages } = /** @type {import("./context.js").Context} */ (this.context);
    this.#announce([levelName(item, messages), item.title, item.body].filter(Boolean).join(". "), item.level === "error");
    return popupCard(item, messages, {
      done: () => (item.confirm ? client.confirm(item.id, { via: "popup" }) : client.read([item.id], { via: "popup" })),
      gone: () => this.#feed?.queue.remove([item.id]),
      away: () => this.#feed?.putAway(key),
    });
  }

  /** @param {import("./popup_queue.js").Entry} entry */
  #summary({ key, items }) {
    const { messages: m } = /** @type {import("./context.js").Context} */ (this.context);
    const text = m.ngettext("%(n)s new notification", "%(n)s new notifications", items.length, { n: items.length });
    this.#announce(text, false);
    return frame("info", "summary", m, () => this.#feed?.putAway(key),
      h("p", { class: "title", part: "title", id: "summary" }, text),
      h("ul", { class: "body" }, ...items.slice(-TITLES).reverse().map((item) => h("li", { dir: "auto" }, item.title))),
      h("div", { class: "actions" }, button(m.gettext("Show"), "primary", () => {
        this.#feed?.putAway(key);
        this.context?.showList();
      }, { part: "show" })));
  }

  /** To the newest popup, or back to where the focus came from. */
  #enter() {
    const card = /** @type {HTMLElement|null} */ (this.#stack.querySelector(".card"));
    if (!this.#region.contains(this.root.activeElement)) this.#before ??= /** @type {HTMLElement} */ (document.activeElement);
    if (card) card.focus();
    else {
      this.#before?.focus();
      this.#before = null;
    }
  }

  /** @param {string} text @param {boolean} urgent */
  #announce(text, urgent) {
    (urgent ? this.#urgent : this.#polite).textContent = text;
  }
}
