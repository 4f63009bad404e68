/** One row of a list: dot, title, time, body of three lines, actions. */

import { button, h, icon, setText } from "./dom.js";
import { isLong, levelName } from "./popup_card.js";
import { safeUrl } from "./protocol.js";
import { exact, relative } from "./time.js";

/** @typedef {import("./protocol.js").Item} Item */

export class Row {
  #context;
  /** @type {Item} */ #item;
  #status;
  #time;
  #confirm;
  #read;
  #title;

  /** @param {Item} item @param {import("./context.js").Context} context */
  constructor(item, context) {
    this.#context = context;
    this.#item = item;
    const { messages: m } = context;
    const url = safeUrl(item.url);
    const moment = Date.parse(item.created_at);
    this.#status = h("span", { class: "sr" });
    const content = [this.#status, h("span", { dir: "auto" }, item.title)];
    // Opening an item reads it. One without an address opens in its place.
    this.#title = url
      ? h("a", { class: "title", part: "title", href: url, onclick: () => this.#see() }, ...content)
      : h("button", { class: "title", part: "title", type: "button", onclick: () => this.#open() }, ...content);
    this.#time = h("time", { datetime: item.created_at, title: exact(moment, m.language) });
    const body = h("p", { class: "body", part: "body", dir: "auto" }, item.body);
    const long = isLong(item.body);
    const more = long && url
      ? button(m.gettext("More"), "quiet", () => this.#open(), { "aria-expanded": "false" })
      : null;
    this.#confirm = button(m.gettext("Confirm"), "primary", () => this.#done(true), { part: "confirm" });
    this.#read = button(m.gettext("Mark as read"), "quiet", () => this.#done(false), { part: "read" });
    for (const action of [this.#confirm, this.#read, more]) action?.setAttribute("aria-description", item.title);
    this.expander = more ?? (url ? null : this.#title);
    if (!url && long) this.#title.setAttribute("aria-expanded", "false");
    /** @type {HTMLElement} */
    this.element = h("li", { class: `row ${item.level}`, part: `row ${item.level}` },
      h("span", { class: "dot", "aria-hidden": "true" }),
      h("div", { class: "text" },
        h("div", { class: "head" }, item.level === "warning" || item.level === "error" ? icon(item.level) : null, this.#title, this.#time),
        item.body ? body : null,
        h("div", { class: "actions" }, this.#confirm, this.#read, more)));
    this.update(item);
  }

  /** @param {Item} item the same one, as it is now */
  update(item) {
    this.#item = item;
    const { messages: m, client } = this.#context;
    const unread = !item.read_at;
    this.element.classList.toggle("unread", unread);
    const level = levelName(item, m);
    setText(this.#status, [unread ? m.gettext("Unread") : "", level].filter(Boolean).map((word) => `${word}: `).join(""));
    setText(this.#time, relative(Date.parse(item.created_at), client.now(), m.language));
    this.#confirm.hidden = !unread || !item.confirm;
    this.#read.hidden = !unread || item.confirm;
  }

  #see() {
    this.#context.client.read([this.#item.id], { via: "list" });
  }

  #open() {
    const open = this.element.classList.toggle("open");
    if (this.expander?.hasAttribute("aria-expanded")) this.expander.setAttribute("aria-expanded", String(open));
    this.#see();
  }

  /** @param {boolean} confirm */
  #done(confirm) {
    if (confirm) this.#context.client.confirm(this.#item.id, { via: "list" });
    else this.#see();
    this.#title.focus(); // the button is gone
  }
}
