/** Elements made without markup: text is always text, whatever a sender writes. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, any>} [props] functions become listeners (`onclick`), true an empty attribute; false and null
 *   are left out
 * @param {...(Node|string|null|undefined)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/**
 * @param {string} text @param {string} look `primary` or `quiet` @param {(event: any) => void} onclick
 * @param {Record<string, any>} [props]
 * @returns {any}
 */
export const button = (text, look, onclick, props) => h("button", { type: "button", class: look, onclick, ...props }, text);

const PATHS = {
  bell: "M12 3a6 6 0 0 0-6 6c0 6-2.5 7.5-2.5 7.5h17S18 15 18 9a6 6 0 0 0-6-6Zm-1.9 17a2.2 2.2 0 0 0 3.8 0",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-10v5m0-8.5v.2",
  success: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm-4-8.5 2.7 2.7L16 10",
  warning: "M12 4 2.8 20h18.4L12 4Zm0 6v4.5m0 2.8v.2",
  error: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-13.500v5.500m0 3v.2",
  sliders: "M3 7h11m6 0h1M3 17h1m6 0h11M14 7a3 3 0 1 0 6 0 3 3 0 0 0-6 0ZM4 17a3 3 0 1 0 6 0 3 3 0 0 0-6 0Z",
  close: "m6 6 12 12M18 6 6 18",
};

/** @param {string} name @returns {SVGElement} decoration: nothing for a screen reader */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", width: "24", height: "24", "aria-hidden": "true", class: "icon" })) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[/** @type {keyof typeof PATHS} */ (name)] ?? PATHS.info);
  svg.append(path);
  return svg;
}

/**
 * Set only what differs, so that neither focus nor a screen reader is disturbed.
 * @param {Node} node @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
