import assert from "node:assert/strict";
import test from "node:test";

import { CAP_HIDDEN_MS, CAP_VISIBLE_MS, backoff } from "../../notifications/static/notifications/backoff.js";

test("the first wait is between 300 ms and a second", () => {
  assert.equal(backoff(0, CAP_VISIBLE_MS, () => 0), 300);
  assert.equal(backoff(0, CAP_VISIBLE_MS, () => 0.5), 650);
  assert.ok(backoff(0, CAP_VISIBLE_MS, () => 0.999999) < 1000);
});

test("each failure doubles what may be waited", () => {
  assert.deepEqual([0, 1, 2, 3, 4].map((n) => backoff(n, CAP_VISIBLE_MS, () => 1)), [1000, 2000, 4000, 8000, 16000]);
});

test("no wait exceeds the cap, 30 s visible and 300 s hidden", () => {
  assert.equal(backoff(5, CAP_VISIBLE_MS, () => 1), 30_000);
  assert.equal(backoff(1000, CAP_VISIBLE_MS, () => 1), 30_000);
  assert.equal(backoff(1000, CAP_HIDDEN_MS, () => 1), 300_000);
});

test("any time down to 300 ms is as likely, however many failures", () => {
  assert.equal(backoff(20, CAP_VISIBLE_MS, () => 0), 300);
});
