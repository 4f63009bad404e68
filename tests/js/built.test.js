import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { gzipSync } from "node:zlib";

import { BUNDLE, SOURCES, TYPES, build } from "./build.js";

const STALE = "made from older modules: cd tests/js && npm ci && npm run build";

test("the bundle and the types are those of the modules", async (t) => {
  const made = mkdtempSync(join(tmpdir(), "notifications-"));
  t.after(() => rmSync(made, { recursive: true }));
  await build(made);
  assert.ok(readFileSync(join(made, BUNDLE)).equals(readFileSync(join(SOURCES, BUNDLE))), `${BUNDLE} is ${STALE}`);
  assert.deepEqual(readdirSync(join(SOURCES, TYPES)), readdirSync(join(made, TYPES)), `${TYPES} is ${STALE}`);
  for (const name of readdirSync(join(made, TYPES))) {
    assert.equal(readFileSync(join(SOURCES, TYPES, name), "utf8"), readFileSync(join(made, TYPES, name), "utf8"), `${name} is ${STALE}`);
  }
});

test("the whole client with its elements is under 20 KB as browsers fetch it", () => {
  const size = gzipSync(readFileSync(join(SOURCES, BUNDLE))).length;
  assert.ok(size < 20_000, `${size} bytes`);
});
