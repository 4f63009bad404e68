import assert from "node:assert/strict";
import test from "node:test";

import { Reads } from "../../notifications/static/notifications/reads.js";
import { FakeStorage, id } from "./fakes.js";

const read = (n, via = "list", confirm = false) => ({ id: id(n), via, confirm });

function reads(storage = new FakeStorage(), uid = "7") {
  const made = new Reads(storage);
  if (uid) made.adopt(uid);
  return made;
}

test("reads outlive the page, per uid", () => {
  const storage = new FakeStorage();
  reads(storage).add([read(1)]);
  assert.deepEqual(reads(storage).entries, [read(1)]);
  assert.deepEqual(reads(storage, "8").entries, []);
});

test("an answered batch is kept no longer, the rest is", () => {
  const storage = new FakeStorage();
  const made = reads(storage);
  made.add([read(1), read(2, "popup", true)]);
  const [first, second] = made.batches();
  assert.deepEqual(first, { ids: [id(1)], via: "list", confirm: false });
  assert.deepEqual(second, { ids: [id(2)], via: "popup", confirm: true });
  made.settle(first);
  assert.deepEqual(made.entries, [read(2, "popup", true)]);
  made.settle(second);
  assert.equal(storage.values.size, 0);
});

test("a batch has at most 200 ids", () => {
  const made = reads();
  made.add(Array.from({ length: 401 }, (_, n) => read(n)));
  assert.deepEqual(made.batches().map((batch) => batch.ids.length), [200, 200, 1]);
});

test("the same read twice is kept once; its confirmation is another", () => {
  const made = reads();
  made.add([read(1)]);
  made.add([read(1, "popup"), read(1, "popup", true)]);
  assert.deepEqual(made.entries, [read(1, "popup"), read(1, "popup", true)]);
});

test("of several 'up to here' the furthest is sent", () => {
  const made = reads();
  made.add([{ before: id(3) }, { before: id(5) }, { before: id(4) }]);
  assert.deepEqual(made.batches(), [{ before: id(5) }]);
});

test("what another tab adds or settles meanwhile stays so", () => {
  const storage = new FakeStorage();
  const [one, two] = [reads(storage), reads(storage)];
  one.add([read(1)]);
  two.add([read(2)]);
  one.settle({ ids: [id(1)], via: "list", confirm: false });
  assert.deepEqual(two.entries, [read(2)]);
});

test("reads made before the uid is known become its own", () => {
  const storage = new FakeStorage();
  const made = reads(storage, null);
  made.add([read(1)]);
  assert.equal(storage.values.size, 0);
  made.adopt("7");
  assert.deepEqual(reads(storage).entries, [read(1)]);
});

test("another user's reads are never taken over", () => {
  const made = reads();
  made.add([read(1)]);
  made.adopt("8");
  assert.deepEqual(made.entries, []);
});

for (const kept of ["{", "3", "null", '[null,1,{"id":5}]']) {
  test(`storage that holds ${kept} does no harm`, () => {
    const storage = new FakeStorage();
    storage.setItem("notifications.reads.7", kept);
    const made = reads(storage);
    assert.deepEqual(made.entries, []);
    made.add([read(1)]);
    assert.deepEqual(reads(storage).entries, [read(1)]);
  });
}

test("with full storage this page still has them", () => {
  const storage = new FakeStorage();
  storage.full = true;
  const made = reads(storage);
  made.add([read(1)]);
  made.add([read(2)]);
  assert.deepEqual(made.entries, [read(1), read(2)]);
  made.settle({ ids: [id(1), id(2)], via: "list", confirm: false });
  assert.deepEqual(made.entries, []);
});
