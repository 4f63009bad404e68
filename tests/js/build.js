/**
 * Makes from the modules what is shipped beside them: the bundle that pages load, and the types. `npm run build` writes
 * them to their place; the tests make them elsewhere and compare.
 */

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
export const SOURCES = fileURLToPath(new URL("../../notifications/static/notifications/", import.meta.url));
export const BUNDLE = "notifications.min.js";
export const TYPES = "types";

/** @param {string} tool @param {...string} given */
const run = (tool, ...given) => execFileSync(`${HERE}node_modules/.bin/${tool}`, given, { cwd: HERE, stdio: "pipe", encoding: "utf8" });

/** @param {string} folder where to */
export function build(folder = SOURCES) {
  run("esbuild", `${SOURCES}elements.js`, "--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8",
    "--log-level=warning", `--outfile=${folder}/${BUNDLE}`);
  rmSync(`${folder}/${TYPES}`, { recursive: true, force: true });
  run("tsc", "-p", "tsconfig.json", "--outDir", `${folder}/${TYPES}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
