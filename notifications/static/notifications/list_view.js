/** A list on the screen, in the bell's panel and on the page of all messages alike. */

import { button, h, icon } from "./dom.js";
import { ListModel } from "./list_model.js";
import { notice } from "./notice.js";
import { Row } from "./row.js";
import { SettingsView } from "./settings_view.js";

const SKELETON_MS = 1_000; // before that an answer is quicker than the eye
const TIMES_MS = 30_000;

export class ListView {
  /** @type {HTMLElement} */ element;
  /** @type {ListModel} */ model;
  #context;
  /** @type {Map<string, Row>} */ #rows = new Map();
  #list;
  #notice;
  #state;
  #pill;
  #older;
  #all;
  #settings;
  #gear;
  #scroll;
  #top;
  #patient = false;
  #frame = 0;
  /** @type {any} */ #skeleton = null;
  /** @type {any} */ #times = null;
  /** @type {IntersectionObserver[]} */ #observers = [];
  #abort = new AbortController();

  /**
   * @param {import("./context.js").Context} context
   * @param {{limit: number, heading: string, tools?: Node|null, scrolls?: boolean}} options `scrolls`: within its own frame
   */
  constructor(context, { limit, heading, tools = null, scrolls = false }) {
    this.#context = context;
    const { client, messages: m } = context;
    this.model = new ListModel(client, limit);
    this.#list = h("ul", { class: "rows", part: "list", role: "list", "aria-label": heading });
    this.#notice = h("div", { class: "notice", part: "notice", role: "status" });
    this.#state = h("div", { class: "state", part: "state" });
    this.#top = h("div", { class: "edge" });
    this.#pill = button("", "pill", () => this.#showNew(), { part: "pill", hidden: true });
    this.#older = button(m.gettext("Show older"), "quiet older", () => this.model.loadMore(), { hidden: true });
    this.#all = button(m.gettext("Mark all as read"), "quiet", () => this.#readAll(), { part: "read-all" });
    this.#settings = new SettingsView(context);
    this.#gear = h("button", { class: "x", part: "settings-button", type: "button", "aria-label": m.gettext("Settings"), "aria-expanded": "false", onclick: () => this.#set(this.#scroll.hidden === false) }, icon("sliders"));
    this.#scroll = h("div", { class: "scroll", tabindex: scrolls ? "0" : "-1" }, this.#top, this.#pill, this.#list, this.#state, this.#older);
    this.element = h("div", { class: "list" },
      h("div", { class: "bar", part: "header" }, tools ?? h("h2", {}, heading), h("div", { class: "ends" }, this.#all, this.#gear)), this.#notice,
      this.#settings.element, this.#scroll);
    this.model.addEventListener("change", () => this.#soon());
    for (const type of ["state", "unread"]) client.addEventListener(type, () => this.#soon(), { signal: this.#abort.signal });
    this.#observe(this.#top, (near) => this.model.hold(!near));
    this.#observe(this.#older, (near) => { if (near && this.model.status === "ready") this.model.loadMore(); });
    this.draw();
  }

  /** Load, unless it is loaded, and keep the times right. */
  open() {
    if (this.model.status === "idle" || this.model.status === "failed") this.model.load();
    clearInterval(this.#times);
    this.#times = setInterval(() => this.draw(), TIMES_MS);
    this.draw();
  }

  /** Out of sight: nothing is drawn until it is opened again. */
  rest() {
    this.#set(false);
    clearInterval(this.#times);
    this.#times = null;
  }

  close() {
    this.rest();
    clearTimeout(this.#skeleton);
    this.#abort.abort();
    this.model.close();
    for (const observer of this.#observers) observer.disconnect();
  }

  // A burst of a hundred items is drawn once.
  #soon() {
    if (this.#times === null || this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  draw() {
    const { rows, held, status, more } = this.model;
    const { client, messages: m } = this.#context;
    const known = new Set(rows.map((item) => item.id));
    for (const [id, row] of this.#rows) {
      if (known.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    rows.forEach((item, n) => {
      let row = this.#rows.get(item.id);
      if (!row) this.#rows.set(item.id, (row = new Row(item, this.#context)));
      else row.update(item);
      if (this.#list.children[n] !== row.element) this.#list.insertBefore(row.element, this.#list.children[n] ?? null);
    });
    this.#list.hidden = !rows.length;
    this.#pill.hidden = !held.length;
    this.#pill.textContent = m.ngettext("%(n)s new", "%(n)s new", held.length, { n: held.length });
    this.#older.hidden = !more || status === "failed";
    this.#all.hidden = !rows.length || !client.unread || this.model.filter.kind !== null;
    this.#say(notice(this.#context));
    this.#state.replaceChildren(...this.#filling());
  }

  /** @param {HTMLElement|null} said */
  #say(said) {
    if ((said?.textContent ?? "") !== this.#notice.textContent) this.#notice.replaceChildren(...(said ? [said] : []));
  }

  /** @returns {Node[]} what stands where rows do not */
  #filling() {
    const { rows, status, filter } = this.model;
    const { messages: m } = this.#context;
    if (status === "loading") {
      if (this.#patient) return [h("div", { class: "skeleton", "aria-hidden": "true" }, h("i"), h("i"), h("i")), h("p", { class: "sr" }, m.gettext("Loading…"))];
      this.#skeleton ??= setTimeout(() => { this.#patient = true; this.draw(); }, SKELETON_MS);
      return [];
    }
    clearTimeout(this.#skeleton);
    this.#skeleton = null;
    this.#patient = false;
    if (status === "failed") {
      return [h("p", {}, m.gettext("The list could not be loaded."), " ",
        button(m.gettext("Try again"), "quiet", () => this.model.retry()))];
    }
    if (rows.length || status === "idle") return [];
    return [h("p", { class: "empty", part: "empty" }, filter.unread || filter.kind ? m.gettext("Nothing here.") : m.gettext("No notifications yet."))];
  }

  /** @param {boolean} on the settings take the place of the rows */
  #set(on) {
    this.#gear.setAttribute("aria-expanded", String(on));
    this.#scroll.hidden = on;
    this.#settings.show(on);
  }

  #readAll() {
    const { newest } = this.model;
    if (newest) this.#context.client.readAll(newest);
    this.#scroll.focus(); // the button is gone
  }

  #showNew() {
    this.model.release();
    this.#top.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement|null} */ (this.#list.querySelector(".title"))?.focus();
  }

  /** @param {Element} edge @param {(near: boolean) => void} run */
  #observe(edge, run) {
    const observer = new IntersectionObserver((seen) => run(seen[seen.length - 1].isIntersecting), { rootMargin: "60px 0px" });
    observer.observe(edge);
    this.#observers.push(observer);
  }
}
