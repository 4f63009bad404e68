/**
 * Makes from the modules what is shipped beside them: the bundle that pages load, and the types. `npm run build` writes
 * them to their place; the tests make them elsewhere and compare.
 */

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
export const SOURCES = fileURLToPath(new URL("../../notifications/static/notifications/", import.meta.url));
export const BUNDLE = "notifications.min.js";
export const TYPES = "types";

// The sheet is a text in a module, which no minifier of scripts looks into.
const sheet = {
  name: "sheet",
  setup({ onLoad }) {
    onLoad({ filter: /\/styles\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/(?<=const CSS = `)[^`]*/, (css) =>
        esbuild.transformSync(css, { loader: "css", minify: true }).code.trim().replaceAll("\\", "\\\\")),
    }));
  },
};

/** @param {string} folder where to */
export async function build(folder = SOURCES) {
  await esbuild.build({
    entryPoints: [`${SOURCES}elements.js`], outfile: `${folder}/${BUNDLE}`, plugins: [sheet], logLevel: "warning",
    bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8",
  });
  rmSync(`${folder}/${TYPES}`, { recursive: true, force: true });
  try {
    execFileSync(`${HERE}node_modules/.bin/tsc`, ["-p", "tsconfig.json", "--outDir", `${folder}/${TYPES}`], { cwd: HERE, encoding: "utf8" });
  } catch (error) {
    throw new Error(error.stdout || error.message);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
