import assert from "node:assert/strict";
import test from "node:test";

import { NotificationsClient } from "../../notifications/static/notifications/client.js";
import { ListModel } from "../../notifications/static/notifications/list_model.js";
import { FakeEnvironment, greet, id, inbox, item, settle } from "./fakes.js";

async function list({ limit = 3 } = {}) {
  const env = new FakeEnvironment();
  const client = new NotificationsClient({ environment: env, uid: "7" });
  const model = new ListModel(client, limit);
  client.connect();
  const socket = await greet(env);
  const answer = async (items, next = null) => {
    const { ref } = socket.frames("list").at(-1);
    socket.receive({ type: "list", items, next, ref });
    await settle();
  };
  const load = async (items, next = null) => {
    model.load();
    await answer(items, next);
  };
  return { env, client, model, socket, answer, load, clock: env.clock, ids: () => model.rows.map((each) => each.id) };
}

const push = (socket, ...items) => items.forEach((each) => socket.receive({ ...each, live: true, unread: 1 }));

test("the first page, then the next, newest first", async () => {
  const { model, load, answer, ids, socket } = await list();
  await load([item(9), item(8), item(7)], id(7));
  assert.deepEqual([ids(), model.more, model.status], [[9, 8, 7].map(id), true, "ready"]);
  model.loadMore();
  assert.equal(socket.frames("list").at(-1).before, id(7));
  await answer([item(6)]);
  assert.deepEqual([ids(), model.more], [[9, 8, 7, 6].map(id), false]);
  model.loadMore();
  assert.equal(socket.frames("list").length, 2);
});

test("one page is asked for at a time", async () => {
  const { model, load, socket } = await list();
  await load([item(9)], id(9));
  model.loadMore();
  model.loadMore();
  assert.equal(socket.frames("list").length, 2);
});

test("a new arrival comes in at the top, once", async () => {
  const { load, ids, socket } = await list();
  await load([item(2), item(1)]);
  push(socket, item(3), item(3));
  assert.deepEqual(ids(), [3, 2, 1].map(id));
});

test("what comes while the first page is under way is not lost", async () => {
  const { model, answer, ids, socket } = await list();
  model.load();
  push(socket, item(5));
  await answer([item(2)]);
  assert.deepEqual(ids(), [5, 2].map(id));
});

test("what comes late while the first page is under way has its place, also below the newest", async () => {
  const { model, load, answer, ids, socket } = await list();
  await load([item(1)]);
  model.load();
  push(socket, item(3));
  await answer([item(5), item(2)]);
  assert.deepEqual(ids(), [5, 3, 2].map(id));
});

test("for a reader further down new arrivals are held back until they are wanted", async () => {
  const { model, load, ids, socket } = await list();
  await load([item(1)]);
  model.hold(true);
  push(socket, item(2), item(3));
  assert.deepEqual([ids(), model.held.map((each) => each.id)], [[id(1)], [id(3), id(2)]]);
  assert.equal(model.newest, id(1), "what is held back has not been seen");
  model.release();
  assert.deepEqual([ids(), model.held], [[3, 2, 1].map(id), []]);
});

test("back at the top what was held comes in by itself", async () => {
  const { model, load, ids, socket } = await list();
  await load([item(1)]);
  model.hold(true);
  push(socket, item(2));
  model.hold(false);
  assert.deepEqual(ids(), [2, 1].map(id));
});

test("rows are read where they stand", async () => {
  const { model, load, client, ids } = await list();
  await load([item(2), item(1)]);
  client.read([id(1)]);
  assert.deepEqual(ids(), [2, 1].map(id));
  assert.deepEqual(model.rows.map((each) => !!each.read_at), [false, true]);
});

test("retracted rows leave, held ones as well", async () => {
  const { model, load, ids, socket } = await list();
  await load([item(2), item(1)]);
  model.hold(true);
  push(socket, item(3));
  socket.receive({ type: "retracted", ids: [id(1), id(3)], unread: 1 });
  assert.deepEqual([ids(), model.held], [[id(2)], []]);
});

test("a filter asks anew and keeps what does not fit out", async () => {
  const { model, answer, ids, socket } = await list();
  model.show({ unread: true, kind: "a.b" });
  const { ref, ...frame } = socket.frames("list").at(-1);
  assert.deepEqual(frame, { type: "list", limit: 3, unread: true, kind: "a.b" });
  await answer([item(1, { kind: "a.b" })]);
  push(socket, item(2), item(3, { kind: "a.b" }));
  assert.deepEqual(ids(), [3, 1].map(id));
});

test("the answer to an older question is dropped", async () => {
  const { model, ids, socket } = await list();
  model.load();
  model.show({ unread: true });
  const [old, now] = socket.frames("list");
  socket.receive({ type: "list", items: [item(2)], next: null, ref: now.ref });
  socket.receive({ type: "list", items: [item(9)], next: null, ref: old.ref });
  await settle();
  assert.deepEqual(ids(), [id(2)]);
});

test("a list that fails says so, and loads when the connection is back", async () => {
  const { model, env, clock, ids } = await list();
  env.answers["?limit=3"] = 500;
  env.socket.lose();
  await model.load();
  assert.equal(model.status, "failed");
  await clock.advance(1_000);
  await greet(env);
  const { ref } = env.socket.frames("list").at(-1);
  env.socket.receive({ type: "list", items: [item(1)], next: null, ref });
  await settle();
  assert.deepEqual([model.status, ids()], ["ready", [id(1)]]);
});

test("a list opened offline shows the unread that the client knows", async () => {
  const { model, env, socket, ids } = await list();
  push(socket, item(1), item(2));
  Object.assign(env, { online: false, answers: {} });
  env.fire("offline");
  await model.load();
  assert.deepEqual([model.status, ids()], ["failed", [2, 1].map(id)]);
});

test("what has failed is asked for again: the next page, not the first", async () => {
  const { model, load, socket, answer, ids } = await list();
  await load([item(9)], id(9));
  model.loadMore();
  socket.receive({ type: "error", code: "unavailable", message: "later", ref: socket.frames("list").at(-1).ref });
  await settle();
  assert.deepEqual([model.status, ids()], ["failed", [id(9)]]);
  model.retry();
  assert.equal(socket.frames("list").at(-1).before, id(9));
  await answer([item(8)]);
  assert.deepEqual([model.status, ids()], ["ready", [9, 8].map(id)]);
  model.status = "failed";
  model.retry();
  assert.equal(socket.frames("list").at(-1).before, undefined);
});

test("after a gap that a replay cannot tell of the list is loaded anew", async () => {
  const { load, socket } = await list();
  await load([item(1)]);
  socket.receive(inbox([item(8), item(9)], { unread: 300, more: true }));
  assert.equal(socket.frames("list").length, 2);
});

test("after a short gap what was missed comes in", async () => {
  const { load, ids, socket } = await list();
  await load([item(1)]);
  socket.receive(inbox([item(1), item(2)]));
  assert.deepEqual(ids(), [2, 1].map(id));
});

test("a list that was never opened asks for nothing and keeps nothing", async () => {
  const { ids, socket } = await list();
  push(socket, item(1));
  assert.deepEqual([ids(), socket.frames("list").length], [[], 0]);
});

test("a closed list hears nothing", async () => {
  const { model, load, ids, socket } = await list();
  await load([item(1)]);
  model.close();
  push(socket, item(2));
  assert.deepEqual(ids(), [id(1)]);
});
