/** Beside the form of a draft, and on the page that publishes it: how many characters are written of how many, and how it will look. */

import { Messages } from "../messages.js";
import { popupCard } from "../popup_card.js";
import { Row } from "../row.js";
import { sheet } from "../styles.js";

const DRAWN_AFTER_MS = 150;

const form = document.querySelector("#announcement_form");
const preview = document.querySelector("#preview");

/** Characters as the server counts them: code points, a line break being one. */
const length = (text) => [...text.trim()].length;

for (const field of form?.querySelectorAll("[data-most]") ?? []) {
  const most = Number(field.dataset.most);
  const counter = document.createElement("span");
  counter.className = "counter";
  const show = () => {
    const count = length(field.value);
    counter.textContent = `${count} / ${most}`;
    counter.classList.toggle("over", count > most);
  };
  field.closest(".form-row").querySelector(".help").append(counter);
  field.addEventListener("input", show);
  show();
}

const kinds = form?.querySelector(".kinds");
if (kinds) choosable(kinds, form.elements.namedItem("kind"));
if (preview) begin(preview, form);

/** Kinds as buttons, which write their kind into the field. @param {HTMLElement} kinds @param {HTMLInputElement} field */
function choosable(kinds, field) {
  const mark = () => {
    for (const button of kinds.children) button.setAttribute("aria-pressed", String(button.dataset.kind === field.value.trim()));
  };
  kinds.addEventListener("click", ({ target }) => {
    if (!target.dataset.kind) return;
    field.value = target.dataset.kind;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  field.addEventListener("input", mark);
  mark();
  kinds.hidden = false;
}

/** @param {HTMLElement} preview @param {HTMLFormElement|null} form none where a draft is only looked at */
async function begin(preview, form) {
  const messages = new Messages(document.documentElement.lang);
  if (preview.dataset.catalog) await messages.load(preview.dataset.catalog);
  const popup = place(preview.querySelector("#preview-popup"), "stack");
  const list = place(preview.querySelector("#preview-list"), "rows");
  const note = preview.querySelector(".note");
  const nobody = { now: () => Date.now(), read() {}, confirm() {} };

  const draw = () => {
    const item = written(form, preview);
    popup.replaceChildren(popupCard(item, messages, { done() {}, gone() {}, away() {} }));
    list.replaceChildren(new Row(item, { client: nobody, messages }).element);
    preview.querySelector("#preview-popup").hidden = item.display !== "popup";
    note.hidden = item.display === "popup";
  };
  let timer;
  form?.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, DRAWN_AFTER_MS);
  });
  for (const choice of preview.querySelectorAll("[name=preview-look], [name=preview-width]")) {
    choice.addEventListener("change", () => look(preview));
  }
  look(preview);
  draw();
  preview.hidden = false;
}

/** A list with the look of the elements that users have. @param {HTMLElement} host @param {string} name */
function place(host, name) {
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet()];
  const list = document.createElement("ul");
  list.className = name;
  root.append(list);
  return list;
}

/** The item as the fields say now; of a published one there are no fields, and the page says it. */
function written(form, preview) {
  const said = JSON.parse(preview.querySelector("#preview-said").textContent);
  const field = (name) => form?.elements.namedItem(name);
  const text = (name) => (field(name) ? field(name).value.trim() : said[name]);
  return {
    id: "preview",
    audience: "everyone",
    kind: text("kind") || "general",
    level: text("level") || "info",
    title: text("title") || preview.dataset.untitled,
    body: text("body"),
    url: text("url") || null,
    data: {},
    ref: null,
    display: text("display") || "popup",
    confirm: field("confirm") ? field("confirm").checked : said.confirm,
    created_at: new Date().toISOString(),
    expires_at: null,
    read_at: null,
    live: true,
  };
}

/** @param {HTMLElement} preview Light or dark, wide or as on a phone. */
function look(preview) {
  const stage = preview.querySelector(".stage");
  stage.classList.toggle("dark", preview.querySelector("[name=preview-look]:checked").value === "dark");
  stage.classList.toggle("narrow", preview.querySelector("[name=preview-width]:checked").value === "narrow");
}
