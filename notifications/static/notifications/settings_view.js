/** What the user may choose, beside the list: kept on the server but for what belongs to this browser. */

import { AppBadge } from "./app_badge.js";
import { button, h } from "./dom.js";

/** @typedef {import("./preferences.js").Values} Values */

const FROM = "22:00";
const TO = "07:00";

export class SettingsView {
  /** @type {HTMLElement} */ element;
  #context;
  #form;
  #said;

  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.#form = h("div");
    this.#said = h("p", { role: "status" });
    this.element = h("div", { class: "settings", part: "settings", role: "group", "aria-label": context.messages.gettext("Settings"), hidden: true }, this.#form, this.#said);
  }

  /** @param {boolean} open */
  async show(open) {
    this.element.hidden = !open;
    if (!open) return;
    const { client, messages: m } = this.#context;
    this.#said.textContent = "";
    try {
      const { kinds } = await client.preferences.load();
      this.#form.replaceChildren(...this.#fields(client.preferences.values, kinds), ...this.#own());
    } catch {
      this.#form.replaceChildren(h("p", {}, m.gettext("The settings could not be loaded."), " ",
        button(m.gettext("Try again"), "quiet", () => this.show(true))), ...this.#own());
    }
  }

  /** @param {Values} values @param {{kind: string, name: string}[]} kinds @returns {Node[]} what the server keeps */
  #fields({ quiet_hours, sound, muted_kinds }, kinds) {
    const { messages: m } = this.#context;
    const zone = quiet_hours?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
    /** @param {string} label @param {string} value */
    const time = (label, value) => h("input", { type: "time", required: true, value, "aria-label": label, onchange: () => keep() });
    const from = time(m.gettext("Quiet from"), quiet_hours?.from ?? FROM);
    const to = time(m.gettext("Quiet until"), quiet_hours?.to ?? TO);
    const times = h("p", { class: "times", hidden: !quiet_hours }, from, " – ", to, h("span", {}, zone));
    const keep = () => {
      const on = quiet.querySelector("input").checked;
      times.hidden = !on;
      if (on && (!from.value || !to.value || from.value === to.value)) return;
      this.#save({ quiet_hours: on ? { from: from.value, to: to.value, time_zone: zone } : null });
    };
    const quiet = tick(m.gettext("Quiet hours: nothing pops up"), !!quiet_hours, keep);
    const audible = sound ?? !!document.querySelector("notification-popups[sound]");
    const muted = new Set(muted_kinds);
    return [quiet, times,
      tick(m.gettext("Play a sound"), audible, (on) => this.#save({ sound: on })),
      ...(kinds.length ? [h("fieldset", {}, h("legend", {}, m.gettext("Pop up for")),
        ...kinds.map(({ kind, name }) => tick(name, !muted.has(kind), (on) => {
          if (on) muted.delete(kind);
          else muted.add(kind);
          this.#save({ muted_kinds: [...muted] });
        })))] : [])];
  }

  /** @returns {Node[]} what is this browser's own */
  #own() {
    const { client, environment, messages: m } = this.#context;
    const badge = new AppBadge(client, environment);
    return [
      AppBadge.possible ? tick(m.gettext("Show the count on the app's icon in this browser"), badge.on, (on) => badge.wish(on)) : null,
      globalThis.Notification ? h("notification-desktop") : null,
    ].filter((node) => node !== null);
  }

  /** @param {Partial<Values>} change */
  async #save(change) {
    const { client, messages: m } = this.#context;
    try {
      await client.preferences.save(change);
      this.#said.textContent = m.gettext("Saved.");
    } catch {
      this.#said.textContent = m.gettext("That could not be saved. Try again later.");
    }
  }
}

/** @param {string} text @param {boolean} checked @param {(on: boolean) => void} run @returns {any} */
function tick(text, checked, run) {
  return h("label", { class: "tick" }, h("input", { type: "checkbox", checked, onchange: (/** @type {any} */ event) => run(event.target.checked) }), h("span", { dir: "auto" }, text));
}
