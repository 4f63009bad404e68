import assert from "node:assert/strict";
import test from "node:test";

import { NotificationsClient } from "../../notifications/static/notifications/client.js";
import { PopupFeed } from "../../notifications/static/notifications/popup_feed.js";
import { SPREAD_MS } from "../../notifications/static/notifications/preferences.js";
import { FakeAir, FakeClock, FakeEnvironment, FakeStorage, greet, id, inbox, item, settle } from "./fakes.js";

const NOTHING = { quiet_hours: null, sound: null, muted_kinds: [] };
const hours = (from, to, time_zone = "UTC") => ({ ...NOTHING, quiet_hours: { from, to, time_zone } });
const at = (time) => Date.parse(`2026-01-02T${time}:00.000Z`);

/** A page of a server that keeps `kept`; `feed`: with popups. */
async function page({ kept = NOTHING, shared = {}, feed = true, items = [] } = {}) {
  const env = new FakeEnvironment(shared);
  const server = { kept };
  env.answers["preferences/"] = (request) => {
    if (request.method === "PUT") server.kept = request.body;
    return server.kept;
  };
  env.answers["preferences/?kinds=true"] = () => ({ ...server.kept, kinds: [{ kind: "general", name: "General" }] });
  const client = new NotificationsClient({ environment: env, uid: "7" });
  const arrivals = [];
  const popups = feed ? new PopupFeed(client, env, { onchange: () => {}, onarrival: (each) => arrivals.push(each.id) }) : null;
  client.connect();
  const socket = await greet(env, items);
  await env.clock.advance(200);
  const push = async (...pushed) => {
    for (const each of pushed) socket.receive({ ...each, live: true, unread: 1 });
    await env.clock.advance(200);
  };
  const asked = () => env.requests.filter(({ path }) => path.startsWith("preferences/")).length;
  return { env, client, server, socket, push, arrivals, asked, preferences: client.preferences, shown: () => popups.queue.shown.map(({ key }) => key) };
}

for (const [from, to, quiet, loud] of [
  ["22:00", "07:00", ["22:00", "23:59", "00:00", "06:59"], ["21:59", "07:00", "12:00"]],
  ["12:00", "13:30", ["12:00", "13:29"], ["11:59", "13:30", "00:00"]],
]) {
  test(`quiet from ${from} to ${to}, the first minute within and the last without`, async () => {
    const { preferences } = await page({ kept: hours(from, to) });
    for (const time of quiet) assert.ok(preferences.quiet(at(time)), time);
    for (const time of loud) assert.ok(!preferences.quiet(at(time)), time);
  });
}

test("quiet hours are those of the zone they were chosen in", async () => {
  const { preferences } = await page({ kept: hours("22:00", "07:00", "Asia/Shanghai") });
  assert.ok(preferences.quiet(at("14:00")));
  assert.ok(preferences.quiet(at("22:59")));
  assert.ok(!preferences.quiet(at("23:00")));
});

test("a zone that this browser does not know is its own", async () => {
  const { preferences } = await page({ kept: hours("00:00", "23:59", "Nowhere/Land") });
  assert.equal(typeof preferences.quiet(at("12:00")), "boolean");
});

test("a client that shows nothing never asks", async () => {
  assert.equal((await page({ feed: false })).asked(), 0);
});

test("asked for once a page, and again, spread, whenever the inbox comes", async () => {
  const { socket, asked, env, server, preferences } = await page();
  assert.equal(asked(), 1);
  server.kept = { ...NOTHING, sound: true };
  socket.receive(inbox([]));
  socket.receive(inbox([]));
  assert.equal(asked(), 1);
  await env.clock.advance(SPREAD_MS);
  assert.equal(asked(), 2);
  assert.equal(preferences.values.sound, true);
});

test("a server that cannot say leaves what was heard last, also on the next page", async () => {
  const shared = { clock: new FakeClock(), storage: new FakeStorage(), air: new FakeAir() };
  await page({ shared, kept: { ...NOTHING, muted_kinds: ["general"] } });
  const { preferences } = await page({ shared, kept: 503 });
  assert.ok(preferences.muted("general"));
});

test("what storage holds and is no preferences counts for nothing", async () => {
  const storage = new FakeStorage();
  storage.setItem("notifications.preferences.7", "{");
  assert.deepEqual((await page({ shared: { storage } })).preferences.values, NOTHING);
});

test("a change is put whole, told of, and taken back when it is refused", async () => {
  const { preferences, server, env } = await page({ kept: { ...NOTHING, sound: true } });
  let changes = 0;
  preferences.addEventListener("change", () => { changes += 1; });
  await preferences.save({ muted_kinds: ["general"] });
  assert.deepEqual(server.kept, { quiet_hours: null, sound: true, muted_kinds: ["general"] });
  const request = env.requests.at(-1);
  assert.equal(request.method, "PUT");
  assert.equal(request.headers["X-CSRFToken"], "crumb=");
  assert.equal(changes, 1);
  env.answers["preferences/"] = 503;
  await assert.rejects(preferences.save({ sound: false }), { status: 503 });
  assert.equal(preferences.values.sound, true);
  assert.equal(changes, 1);
});

test("a kind that is muted does not pop up and makes no sound; it is counted all the same", async () => {
  const { push, shown, arrivals, client } = await page({ kept: { ...NOTHING, muted_kinds: ["audit.rejected"] } });
  await push(item(1, { kind: "audit.rejected" }), item(2));
  assert.deepEqual([shown(), arrivals], [[id(2)], [id(2)]]);
  assert.deepEqual(client.items.map((each) => each.id), [id(1), id(2)]);
});

test("muted elsewhere: its popup leaves", async () => {
  const { push, shown, socket, server, env } = await page();
  await push(item(1, { level: "error" }), item(2, { level: "error", kind: "audit.rejected" }));
  server.kept = { ...NOTHING, muted_kinds: ["audit.rejected"] };
  socket.receive(inbox([item(1), item(2, { kind: "audit.rejected" })]));
  await env.clock.advance(SPREAD_MS);
  assert.deepEqual(shown(), [id(1)]);
});

test("in quiet hours nothing pops up or sounds; afterwards what came is one summary", async () => {
  // The clock stands at 03:04 UTC.
  const { push, shown, arrivals, env, client } = await page({ kept: hours("03:00", "03:10") });
  await push(item(1), item(2), item(3, { level: "error" }), item(4));
  assert.deepEqual([shown(), arrivals], [[], []]);
  assert.equal(client.items.length, 4);
  await env.clock.advance(4 * 60_000);
  assert.deepEqual(shown(), []);
  await env.clock.advance(2 * 60_000);
  await settle();
  assert.deepEqual(shown(), ["summary"]);
  assert.deepEqual(arrivals, []);
});

test("a backlog and a confirmation wait for the end of quiet hours, and pop up when they are ended by hand", async () => {
  const kept = hours("03:00", "03:10");
  const storage = new FakeStorage();
  storage.setItem("notifications.preferences.7", JSON.stringify(kept));
  const { shown, preferences, env } = await page({ kept, shared: { storage }, items: [item(1, { confirm: true }), item(2)] });
  assert.deepEqual(shown(), []);
  await preferences.save({ quiet_hours: null });
  await env.clock.advance(500);
  assert.deepEqual(shown().sort(), [id(1), id(2)]);
});
