import assert from "node:assert/strict";
import test from "node:test";

import { PopupQueue, readingTime } from "../../notifications/static/notifications/popup_queue.js";
import { FakeEnvironment, id, item } from "./fakes.js";

function queue() {
  const env = new FakeEnvironment();
  const seen = { changes: 0 };
  const made = new PopupQueue(env, {
    onchange: () => { seen.changes += 1; },
    expired: (each) => !!each.expires_at && Date.parse(each.expires_at) <= env.now(),
  });
  return { queue: made, env, clock: env.clock, seen, shown: () => made.shown.map(({ key }) => key) };
}

/** Items far enough apart that they are no burst. */
async function slowly({ queue: made, clock }, ...items) {
  for (const each of items) {
    made.add(each);
    await clock.advance(2_100);
  }
}

const error = (n) => item(n, { level: "error" });

test("a short popup is there for 8 s", async () => {
  const { queue: made, clock, shown, seen } = queue();
  made.add(item(1));
  await clock.advance(7_999);
  assert.deepEqual(shown(), [id(1)]);
  await clock.advance(1);
  assert.deepEqual(shown(), []);
  assert.equal(seen.changes, 2);
});

test("a longer text is there longer, a Chinese one longer still, none over 30 s", () => {
  const time = (title, body) => readingTime({ title, body });
  assert.equal(time("Short", ""), 8_000);
  assert.equal(time("", "x".repeat(199)), 3_000 + 200 * 67);
  assert.equal(time("", "通".repeat(100)), 3_000 + 67 + 100 * 200);
  assert.equal(time("", "x".repeat(4_000)), 30_000);
});

for (const fields of [{ level: "warning" }, { level: "error" }, { confirm: true }]) {
  test(`${JSON.stringify(fields)} stays until it is put away`, async () => {
    const { queue: made, clock, shown } = queue();
    made.add(item(1, fields));
    await clock.advance(86_400_000);
    assert.deepEqual(shown(), [id(1)]);
    made.dismiss(id(1));
    assert.deepEqual(shown(), []);
  });
}

test("three are shown, the newest of them last; the rest is counted", async () => {
  const all = queue();
  await slowly(all, ...[1, 2, 3, 4, 5, 6, 7].map(error));
  assert.deepEqual(all.shown(), [5, 6, 7].map(id));
  assert.equal(all.queue.more, 4);
  all.queue.dismiss(id(7));
  assert.deepEqual(all.shown(), [4, 5, 6].map(id));
});

test("what waits behind the three does not age", async () => {
  const all = queue();
  all.queue.add(item(1));
  await all.clock.advance(3_000);
  await slowly(all, error(2), error(3), error(4));
  await all.clock.advance(60_000);
  assert.equal(all.queue.more, 1);
  all.queue.dismiss(id(2));
  assert.deepEqual(all.shown(), [1, 3, 4].map(id));
  await all.clock.advance(500);
  assert.ok(all.queue.has(id(1)));
  await all.clock.advance(5_000);
  assert.ok(!all.queue.has(id(1)));
});

for (const reason of ["hover", "focus", "hidden"]) {
  test(`time stands still while paused by ${reason}`, async () => {
    const { queue: made, clock, shown } = queue();
    made.add(item(1));
    await clock.advance(5_000);
    made.pause(reason, true);
    await clock.advance(60_000);
    assert.deepEqual(shown(), [id(1)]);
    made.pause(reason, false);
    await clock.advance(2_999);
    assert.deepEqual(shown(), [id(1)]);
    await clock.advance(1);
    assert.deepEqual(shown(), []);
  });
}

test("time goes on only when the last reason to pause is gone", async () => {
  const { queue: made, clock, shown } = queue();
  made.add(item(1));
  made.pause("hover", true);
  made.pause("hidden", true);
  made.pause("hover", false);
  await clock.advance(60_000);
  assert.deepEqual(shown(), [id(1)]);
});

test("five in 10 s are five; the sixth makes them one", () => {
  const { queue: made, shown } = queue();
  for (let n = 1; n <= 5; n += 1) made.add(item(n));
  assert.equal(made.entries.length, 5);
  made.add(item(6));
  assert.deepEqual(shown(), ["summary"]);
  assert.deepEqual(made.entries[0].items.map((each) => each.id), [1, 2, 3, 4, 5, 6].map(id));
  made.add(item(7));
  assert.equal(made.entries[0].items.length, 7);
});

test("a sixth after the 10 s is no burst", async () => {
  const { queue: made, clock } = queue();
  made.add(error(1));
  await clock.advance(10_000);
  for (let n = 2; n <= 6; n += 1) made.add(error(n));
  assert.equal(made.entries.length, 6);
});

test("confirmations are asked for one by one, whatever else comes", () => {
  const { queue: made, shown } = queue();
  made.add(item(1, { confirm: true }));
  for (let n = 2; n <= 8; n += 1) made.add(item(n));
  made.add(item(9, { confirm: true }));
  assert.deepEqual(shown(), [id(1), "summary", id(9)]);
});

test("a backlog is one summary of 8 s", async () => {
  const { queue: made, clock, shown } = queue();
  made.backlog([1, 2, 3].map((n) => error(n)));
  assert.deepEqual(shown(), ["summary"]);
  await clock.advance(8_000);
  assert.deepEqual(shown(), []);
});

test("read, retracted: gone, from a summary as well", () => {
  const { queue: made, shown } = queue();
  made.add(item(1));
  made.backlog([item(2), item(3)]);
  made.remove([id(1), id(2)]);
  assert.deepEqual(shown(), ["summary"]);
  assert.deepEqual(made.entries[0].items.map((each) => each.id), [id(3)]);
  made.remove([id(3)]);
  assert.deepEqual(shown(), []);
});

test("an item whose time is over leaves by itself", async () => {
  const { queue: made, env, clock, shown } = queue();
  made.add(item(1, { level: "error", expires_at: new Date(env.now() + 20_000).toISOString() }));
  await clock.advance(19_000);
  assert.deepEqual(shown(), [id(1)]);
  await clock.advance(2_000);
  assert.deepEqual(shown(), []);
});

test("while a list is open nothing is shown; afterwards only what must be confirmed", () => {
  const { queue: made, shown } = queue();
  made.add(error(1));
  made.add(item(2, { confirm: true }));
  made.suspend(true);
  made.add(error(3));
  made.add(item(4, { confirm: true }));
  made.backlog([item(5), item(6)]);
  assert.deepEqual([shown(), made.more], [[], 0]);
  made.suspend(false);
  assert.deepEqual(shown(), [id(2), id(4)]);
});

test("an item is shown once", () => {
  const { queue: made } = queue();
  made.add(item(1));
  made.add(item(1));
  made.backlog([item(1)]);
  assert.equal(made.entries.length, 1);
});

test("a closed queue has no timer left", () => {
  const { queue: made, clock } = queue();
  made.add(item(1));
  made.close();
  assert.deepEqual(clock.waits, []);
});
