/** One popup as it looks: drawn by `<notification-popups>`, and by the admin's preview of what is being written. */

import { button, h, icon } from "./dom.js";
import { safeUrl } from "./protocol.js";

/** @typedef {import("./protocol.js").Item} Item */
/** @typedef {import("./messages.js").Messages} Messages */

/** @param {Item} item @param {Messages} m @returns {string} what a screen reader says before the title */
export function levelName({ level }, m) {
  if (level === "error") return m.gettext("Error");
  return level === "warning" ? m.gettext("Warning") : "";
}

// What may take more than three lines in the narrowest place.
const LONG = 110;

/** @param {string} text */
export const isLong = (text) => text.length > LONG || text.split("\n").length > 3;

/**
 * @param {Item} item
 * @param {Messages} m
 * @param {{done: () => void, gone: () => void, away: () => void}} act
 *   the item is read or confirmed; its popup is to go; it is put away unread
 * @returns {HTMLElement}
 */
export function popupCard(item, m, { done, gone, away }) {
  const url = safeUrl(item.url);
  const id = `t${item.id}`;
  const level = levelName(item, m);
  return frame(item.level, id, m, away,
    h("p", { class: "title", part: "title", id, dir: "auto" }, level ? h("span", { class: "sr" }, `${level}: `) : null, item.title),
    // What may be more than its frame shows is scrolled by keys as well.
    item.body ? h("p", { class: "body", part: "body", dir: "auto", tabindex: isLong(item.body) && "0" }, item.body) : null,
    h("div", { class: "actions" },
      button(item.confirm ? m.gettext("Confirm") : m.gettext("Got it"), "primary", () => {
        done();
        gone();
      }, { part: "confirm" }),
      url ? h("a", { class: "quiet", part: "open", href: url, onclick: () => item.confirm || done() }, m.gettext("Open")) : null,
      item.confirm ? button(m.gettext("Later"), "quiet", away, { part: "later" }) : null));
}

/**
 * @param {string} level @param {string} labelledby @param {Messages} m @param {() => void} away
 * @param {...(Node|null)} content
 * @returns {HTMLElement}
 */
export function frame(level, labelledby, m, away, ...content) {
  return h("li", { class: `popup ${level}`, part: `popup ${level}` },
    h("div", { class: "card", role: "group", tabindex: "-1", "aria-labelledby": labelledby,
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        away();
      } },
    icon(level), h("div", { class: "text" }, ...content),
    h("button", { class: "x", part: "close", type: "button", "aria-label": m.gettext("Close"), onclick: away }, icon("close"))));
}
