import assert from "node:assert/strict";
import test from "node:test";

import { exact, relative } from "../../notifications/static/notifications/time.js";

const NOW = Date.parse("2026-01-20T12:00:00Z");
const ago = (ms, language = "en") => relative(NOW - ms, NOW, language);

test("from now to a date, each unit at its limit", () => {
  assert.deepEqual([0, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 7 * 86_400_000 - 1].map((ms) => ago(ms)),
    ["now", "now", "1 minute ago", "59 minutes ago", "1 hour ago", "23 hours ago", "yesterday", "6 days ago"]);
  assert.equal(ago(7 * 86_400_000), "Jan 13, 2026");
});

test("a moment that lies ahead, by a clock that differs, is now", () => assert.equal(ago(-5_000), "now"));

test("in the reader's language", () => {
  assert.equal(ago(120_000, "zh-Hans"), "2分钟前");
  assert.match(exact(NOW, "zh-Hans"), /2026年1月20日/);
});
