import assert from "node:assert/strict";
import test from "node:test";

import { NotificationsClient } from "../../notifications/static/notifications/client.js";
import { PopupFeed } from "../../notifications/static/notifications/popup_feed.js";
import { FakeAir, FakeClock, FakeEnvironment, FakeStorage, greet, id, inbox, item, settle } from "./fakes.js";

/** A page with a connected client and its popups. */
async function page({ items = [], shared = {}, ...fields } = {}) {
  const env = Object.assign(new FakeEnvironment(shared), fields);
  const client = new NotificationsClient({ environment: env, uid: "7" });
  const arrivals = [];
  const feed = new PopupFeed(client, env, { onchange: () => {}, onarrival: (each) => arrivals.push(each.id) });
  client.connect();
  const socket = await greet(env, items);
  await env.clock.advance(200);
  const push = async (...pushed) => {
    for (const each of pushed) socket.receive({ ...each, live: true, unread: 1 });
    await env.clock.advance(50); // the tabs agree
  };
  return { env, client, feed, socket, push, arrivals, clock: env.clock, shown: () => feed.queue.shown.map(({ key }) => key) };
}

const browser = () => ({ clock: new FakeClock(), storage: new FakeStorage(), air: new FakeAir() });

test("a live item of display popup pops up; list and banner do not", async () => {
  const { push, shown, arrivals } = await page();
  await push(item(1), item(2, { display: "list" }), item(3, { display: "banner" }));
  assert.deepEqual(shown(), [id(1)]);
  assert.deepEqual(arrivals, [id(1)]);
});

test("what is read or expired already does not pop up", async () => {
  const { push, shown } = await page();
  await push(item(1, { read_at: "2026-01-02T03:04:05.678Z" }), item(2, { expires_at: "2026-01-02T03:04:05.000Z" }));
  assert.deepEqual(shown(), []);
});

test("read elsewhere or retracted: the popup leaves", async () => {
  const { push, shown, socket } = await page();
  await push(item(1), item(2), item(3));
  socket.receive({ type: "read", ids: [id(1)], unread: 2 });
  socket.receive({ type: "retracted", ids: [id(2)], unread: 1 });
  assert.deepEqual(shown(), [id(3)]);
});

test("a backlog is one summary; a backlog of one is that one", async () => {
  assert.deepEqual((await page({ items: [item(1), item(2), item(3)] })).shown(), ["summary"]);
  assert.deepEqual((await page({ items: [item(1)] })).shown(), [id(1)]);
});

test("a backlog of list and banner items is no popup", async () => {
  assert.deepEqual((await page({ items: [item(1, { display: "list" }), item(2, { display: "banner" })] })).shown(), []);
});

test("a backlog makes no sound", async () => {
  assert.deepEqual((await page({ items: [item(1)] })).arrivals, []);
});

test("the next page does not show the backlog again, only what is new", async () => {
  const shared = browser();
  const first = await page({ shared, items: [item(1), item(2)] });
  await shared.clock.advance(2_000);
  first.feed.close();
  const second = await page({ shared, items: [item(1), item(2), item(3)] });
  assert.deepEqual(second.shown(), [id(3)]);
});

test("what a page showed for less than 2 s before it went on is shown by the next", async () => {
  const shared = browser();
  const first = await page({ shared });
  await first.push(item(1));
  await shared.clock.advance(1_900);
  first.feed.close();
  const second = await page({ shared, items: [item(1)] });
  assert.deepEqual(second.shown(), [id(1)]);
  await shared.clock.advance(2_000);
  second.feed.close();
  assert.deepEqual((await page({ shared, items: [item(1)] })).shown(), []);
});

test("a confirmation comes back on every page until it is confirmed or put off", async () => {
  const shared = browser();
  const asked = item(1, { confirm: true });
  const first = await page({ shared, items: [asked, item(2), item(3)] });
  assert.deepEqual(first.shown().sort(), [id(1), "summary"].sort());
  await shared.clock.advance(2_000);
  first.feed.close();
  const second = await page({ shared, items: [asked, item(2), item(3)] });
  assert.deepEqual(second.shown(), [id(1)]);
  second.feed.putAway(id(1));
  assert.deepEqual(second.shown(), []);
  second.feed.close();
  assert.deepEqual((await page({ shared, items: [asked] })).shown(), []);
});

test("a warning that was on the screen comes back on the next page until it is dismissed", async () => {
  const shared = browser();
  const warning = item(1, { level: "warning" });
  const first = await page({ shared });
  await first.push(warning);
  first.feed.close();
  const second = await page({ shared, items: [warning] });
  assert.deepEqual(second.shown(), [id(1)]);
  second.feed.putAway(id(1));
  second.feed.close();
  assert.deepEqual((await page({ shared, items: [warning] })).shown(), []);
});

test("putting a popup away leaves it unread", async () => {
  const { client, feed, push, socket } = await page();
  await push(item(1));
  feed.putAway(id(1));
  assert.equal(socket.frames("read").length, 0);
  assert.equal(client.items.length, 1);
});

test("after a gap what was missed is shown, whatever its id, and what was put away is not", async () => {
  const { env, push, feed, shown, clock } = await page();
  await push(item(5, { level: "error" }));
  feed.putAway(id(5));
  env.socket.lose();
  await clock.advance(1_000);
  await greet(env, [item(3), item(5, { level: "error" })]);
  assert.deepEqual(shown(), [id(3)]);
});

test("a resync does not bring back what has timed out", async () => {
  const { socket, push, shown, clock } = await page();
  await push(item(1));
  await clock.advance(8_000);
  socket.receive({ type: "ping" });
  socket.receive(inbox([item(1)]));
  await settle();
  assert.deepEqual(shown(), []);
});

test("no popup while a list is open; what came meanwhile does not pop up later, a confirmation does", async () => {
  const { feed, push, shown } = await page();
  feed.listOpen(true);
  await push(item(1), item(2, { level: "error" }), item(3, { confirm: true }));
  assert.deepEqual(shown(), []);
  feed.listOpen(false);
  assert.deepEqual(shown(), [id(3)]);
});

test("what comes to a hidden page pops up when it is seen, if it is still unread", async () => {
  const { env, push, shown, socket } = await page({ hidden: true, focused: false });
  await push(item(1), item(2));
  assert.deepEqual(shown(), []);
  socket.receive({ type: "read", ids: [id(1)], unread: 1 });
  Object.assign(env, { hidden: false, focused: true });
  env.fire("visibilitychange");
  await env.clock.advance(50);
  assert.deepEqual(shown(), [id(2)]);
});

test("much that came to a hidden page is one summary", async () => {
  const { env, push, shown } = await page({ hidden: true, focused: false });
  await push(...[1, 2, 3, 4].map((n) => item(n)));
  Object.assign(env, { hidden: false, focused: true });
  env.fire("visibilitychange");
  await env.clock.advance(50);
  assert.deepEqual(shown(), ["summary"]);
});

test("a page opened in the background asks and tells when it comes to the front", async () => {
  const items = [item(1, { confirm: true }), ...[2, 3, 4, 5].map((n) => item(n))];
  const { env, shown, clock } = await page({ items, hidden: true, focused: false });
  assert.deepEqual(shown(), []);
  Object.assign(env, { hidden: false, focused: true });
  env.fire("visibilitychange");
  await clock.advance(200);
  assert.deepEqual(shown().sort(), [id(1), "summary"].sort());
});

test("of two tabs the visible one shows it, and the other does not show it later", async () => {
  const shared = browser();
  const front = await page({ shared });
  const back = await page({ shared, hidden: true, focused: false, chance: 0.1 });
  await Promise.all([back.push(item(1)), front.push(item(1))]);
  await shared.clock.advance(1_000);
  assert.deepEqual([front.shown(), back.shown()], [[id(1)], []]);
  Object.assign(front.env, { hidden: true, focused: false });
  Object.assign(back.env, { hidden: false, focused: true });
  front.env.fire("visibilitychange");
  back.env.fire("visibilitychange");
  await shared.clock.advance(1_000);
  assert.deepEqual(back.shown(), []);
});

test("of two visible windows exactly one shows it, and one makes the sound", async () => {
  const shared = browser();
  const one = await page({ shared, focused: false });
  const two = await page({ shared, focused: false, chance: 0.1 });
  await Promise.all([one.push(item(1)), two.push(item(1))]);
  await shared.clock.advance(1_000);
  assert.equal(one.shown().length + two.shown().length, 1);
  assert.equal(one.arrivals.length + two.arrivals.length, 1);
});

test("with no tab in front it waits for the first that comes to the front", async () => {
  const shared = browser();
  const one = await page({ shared, hidden: true, focused: false });
  const two = await page({ shared, hidden: true, focused: false, chance: 0.1 });
  await Promise.all([one.push(item(1)), two.push(item(1))]);
  Object.assign(two.env, { hidden: false, focused: true });
  two.env.fire("visibilitychange");
  await shared.clock.advance(1_000);
  Object.assign(one.env, { hidden: false });
  one.env.fire("visibilitychange");
  await shared.clock.advance(1_000);
  assert.deepEqual([one.shown(), two.shown()], [[], [id(1)]]);
});

test("an item that comes while no page is in front is told of, so that the system may show it; not where a tab is", async () => {
  const shared = browser();
  const back = await page({ shared, hidden: true, focused: false });
  await back.push(item(1));
  await shared.clock.advance(449);
  assert.deepEqual(back.arrivals, []);
  await shared.clock.advance(1);
  assert.deepEqual(back.arrivals, [id(1)]);
  const front = await page({ shared, chance: 0.1 });
  await Promise.all([back.push(item(2)), front.push(item(2))]);
  await shared.clock.advance(1_000);
  assert.deepEqual([back.arrivals, front.arrivals], [[id(1)], [id(2)]]);
});

test("a closed feed listens no more", async () => {
  const { feed, push, env } = await page();
  feed.close();
  await push(item(1));
  assert.deepEqual(feed.queue.entries, []);
  env.hidden = true;
  env.fire("visibilitychange");
});

test("popups made late show what the client has already", async () => {
  const env = new FakeEnvironment();
  const client = new NotificationsClient({ environment: env, uid: "7" });
  client.connect();
  await greet(env, [item(1), item(2)]);
  const feed = new PopupFeed(client, env, { onchange: () => {} });
  await settle();
  assert.deepEqual(feed.queue.shown.map(({ key }) => key), ["summary"]);
});

test("odd storage does no harm", async () => {
  const shared = browser();
  shared.storage.setItem("notifications.popups.7", '{"seen":5,"away":3}');
  assert.deepEqual((await page({ shared, items: [item(1)] })).shown().length, 1);
  shared.storage.setItem("notifications.popups.7", "{");
  shared.storage.full = true;
  assert.deepEqual((await page({ shared, items: [item(2)] })).shown(), [id(2)]);
});
