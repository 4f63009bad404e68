import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

const FOLDER = new URL("../../notifications/static/notifications/", import.meta.url);
const modules = readdirSync(FOLDER).filter((name) => name.endsWith(".js") && !name.endsWith(".min.js"));

/** Without comments and indentation: what the code itself weighs. */
const code = (text) => text.replace(/\/\*\*?[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/ .*$/gm, "").replace(/^\s+/gm, "");

test("no module depends on anything but its neighbours", () => {
  for (const name of modules) {
    for (const [, from] of readFileSync(new URL(name, FOLDER), "utf8").matchAll(/^(?:import|export) .* from "(.*)";$/gm)) {
      assert.ok(modules.includes(from.replace(/^\.\//, "")), `${name} imports ${from}`);
    }
  }
});

test("nothing is ever parsed as markup or run from a text", () => {
  for (const name of modules) {
    const text = code(readFileSync(new URL(name, FOLDER), "utf8"));
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute\("style"|DOMParser/, name);
  }
});
