import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { gzipSync } from "node:zlib";

const FOLDER = new URL("../../notifications/static/notifications/", import.meta.url);
const modules = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));

/** Without comments and indentation: what the code itself weighs. */
const code = (text) => text.replace(/\/\*\*?[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/ .*$/gm, "").replace(/^\s+/gm, "");

/** What a page that loads this module fetches with it; not what it fetches only when it is wanted. */
function fetched(name, found = new Set()) {
  if (!found.has(name)) {
    found.add(name);
    for (const [, next] of readFileSync(new URL(name, FOLDER), "utf8").matchAll(/^(?:import|export) .* from "\.\/(.*)";$/gm)) fetched(next, found);
  }
  return [...found];
}

/** What a minifier takes away without renaming anything; good for weighing, not for running. */
const squeezed = (text) => code(text).replace(/\s*([{}()[\],;:=<>+\-*/?&|!])\s*/g, "$1");

test("the whole client with its elements is under 20 KB minified and gzipped", () => {
  const size = gzipSync(fetched("elements.js").map((name) => squeezed(readFileSync(new URL(name, FOLDER), "utf8"))).join(""), { level: 9 }).length;
  assert.ok(size < 20 * 1024, `${size} bytes`);
});

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
