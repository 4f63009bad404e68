/** `<notification-inbox>`: all messages. What the server has drawn inside it gives way once the element works. */

import { NotificationsElement } from "./context.js";
import { h } from "./dom.js";
import { ListView } from "./list_view.js";

const PAGE = 30;

/** Attributes: `unread`, `kind` (what is shown first). Kinds to choose from are those of a `select[name=kind]` inside. */
export class NotificationInbox extends NotificationsElement {
  /** @type {ListView|null} */ #list = null;

  /** @param {import("./context.js").Context} context */
  attach(context) {
    // Until the texts are there the server's page stands.
    this.root.replaceChildren(h("slot"));
    context.listOpen(this, true);
  }

  /** @param {import("./context.js").Context} context */
  start(context) {
    const { messages: m } = context;
    const list = new ListView(context, { limit: PAGE, heading: m.gettext("Messages"), tools: this.#tools(context) });
    this.#list = list;
    const wrap = h("div", { class: "inbox", part: "inbox" }, list.element);
    // The page's own list goes when ours is there, so that nothing flickers and a failure leaves it.
    list.model.addEventListener("change", () => {
      if (list.model.status === "ready" && !wrap.isConnected) this.root.replaceChildren(wrap);
    });
    if (!this.childElementCount) this.root.replaceChildren(wrap);
    list.model.filter = { unread: this.hasAttribute("unread"), kind: this.getAttribute("kind") };
    list.open();
  }

  detach() {
    this.#list?.close();
    this.#list = null;
  }

  /** @param {import("./context.js").Context} context */
  #tools({ messages: m }) {
    const unread = this.hasAttribute("unread");
    /** @param {string} text @param {boolean} only */
    const choice = (text, only) => h("button", { type: "button", part: "filter", "aria-pressed": String(only === unread), onclick: (/** @type {any} */ event) => {
      for (const button of filters.children) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      this.#show({ unread: only });
    } }, text);
    const filters = h("div", { class: "filters", role: "group", "aria-label": m.gettext("Filter") }, choice(m.gettext("All"), false), choice(m.gettext("Unread"), true));
    const given = /** @type {HTMLSelectElement|null} */ (this.querySelector("select[name=kind]"));
    if (!given) return filters;
    const select = h("select", { "aria-label": m.gettext("Kind"), part: "kind", onchange: () => this.#show({ kind: select.value || null }) },
      ...[...given.options].map((option) => h("option", { value: option.value, selected: option.selected }, option.text)));
    return h("div", { class: "tools" }, filters, select);
  }

  // The address keeps the view, so that going back and reloading find it again.
  /** @param {Partial<import("./list_model.js").Filter>} filter */
  #show(filter) {
    const model = /** @type {ListView} */ (this.#list).model;
    model.show(filter);
    const address = new URL(location.href);
    address.search = "";
    if (model.filter.unread) address.searchParams.set("unread", "1");
    if (model.filter.kind) address.searchParams.set("kind", model.filter.kind);
    history.replaceState(history.state, "", address);
  }
}
