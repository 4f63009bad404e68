import assert from "node:assert/strict";
import test from "node:test";

import { ITEMS_MAX, Inbox } from "../../notifications/static/notifications/inbox.js";
import { id, item } from "./fakes.js";

const ids = (items) => items.map((each) => each.id);

test("an item that comes twice is one, and only new once", () => {
  const inbox = new Inbox();
  assert.equal(inbox.add(item(1)), true);
  assert.equal(inbox.add(item(1)), false);
  assert.equal(inbox.items.length, 1);
});

test("items stand in order of id, whatever order they came in", () => {
  const inbox = new Inbox();
  for (const n of [3, 1, 2]) inbox.add(item(n));
  assert.deepEqual(ids(inbox.items), [1, 2, 3].map(id));
});

test("read here shows at once and is counted at once", () => {
  const inbox = new Inbox();
  inbox.add(item(1));
  inbox.add(item(2));
  inbox.count(2);
  assert.deepEqual(inbox.readHere([id(1)]), [id(1)]);
  assert.ok(inbox.get(id(1)).read_at);
  assert.equal(inbox.unread, 1);
  assert.deepEqual(inbox.readHere([id(1)]), [], "a second time changes nothing");
});

test("the server's count still has what it has not been told; its answer settles it", () => {
  const inbox = new Inbox();
  inbox.add(item(1));
  inbox.count(1);
  inbox.readHere([id(1)]);
  inbox.add(item(2));
  inbox.count(2);
  assert.equal(inbox.unread, 1);
  inbox.read([id(1)], 1);
  assert.equal(inbox.unread, 1);
});

test("an item read here before it was known comes as read", () => {
  const inbox = new Inbox();
  inbox.readHere([id(1)]);
  inbox.add(item(1));
  assert.ok(inbox.get(id(1)).read_at);
});

test("an answer that leaves an id out ends the waiting for it", () => {
  const inbox = new Inbox();
  inbox.count(3);
  inbox.readHere([id(1), id(2), id(3)]);
  assert.equal(inbox.unread, 0);
  inbox.release([id(1)]);
  assert.equal(inbox.unread, 1);
  inbox.releaseUntil(id(2));
  assert.equal(inbox.unread, 2);
});

test("the count never falls below nothing", () => {
  const inbox = new Inbox();
  inbox.readHere([id(1), id(2)]);
  inbox.count(1);
  assert.equal(inbox.unread, 0);
});

test("a resync is the whole truth: what it lacks is unread no more, what it adds is fresh", () => {
  const inbox = new Inbox();
  for (const n of [1, 2, 3]) inbox.add(item(n));
  const { fresh, gone } = inbox.replace([item(2), item(4)], 2, false);
  assert.deepEqual(ids(fresh), [id(4)]);
  assert.deepEqual(gone, [id(1), id(3)]);
  assert.deepEqual(ids(inbox.unreadItems), [id(2), id(4)]);
  assert.equal(inbox.unread, 2);
});

test("a resync with more behind it says nothing of what is older than its oldest", () => {
  const inbox = new Inbox();
  for (const n of [1, 5]) inbox.add(item(n));
  const { gone } = inbox.replace([item(4), item(6)], 200, true);
  assert.deepEqual(gone, [id(5)]);
});

test("a resync does not undo what was read here meanwhile", () => {
  const inbox = new Inbox();
  inbox.add(item(1));
  inbox.readHere([id(1)]);
  const { fresh } = inbox.replace([item(1)], 1, false);
  assert.deepEqual(fresh, []);
  assert.equal(inbox.unread, 0);
  assert.ok(inbox.get(id(1)).read_at);
});

test("retracted items are gone", () => {
  const inbox = new Inbox();
  inbox.add(item(1));
  inbox.retract([id(1), id(9)], 0);
  assert.deepEqual(inbox.items, []);
});

test("an item expires at its moment by the server's clock", () => {
  let now = Date.parse("2026-01-02T03:04:05.000Z");
  const inbox = new Inbox(() => now);
  inbox.add(item(1, { expires_at: "2026-01-02T03:04:06.000Z" }));
  now += 999;
  assert.equal(inbox.unreadItems.length, 1);
  now += 1;
  assert.equal(inbox.unreadItems.length, 0);
});

test("memory is bounded: beyond the limit the oldest tenth is forgotten", () => {
  const inbox = new Inbox();
  for (let n = 1; n <= ITEMS_MAX; n += 1) inbox.add(item(n));
  assert.equal(inbox.items.length, ITEMS_MAX);
  inbox.add(item(ITEMS_MAX + 1));
  assert.equal(inbox.items.length, ITEMS_MAX * 0.9 + 1);
  assert.equal(inbox.items[0].id, id(ITEMS_MAX / 10 + 1));
});
