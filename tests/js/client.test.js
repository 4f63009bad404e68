import assert from "node:assert/strict";
import test from "node:test";

import { NotificationsClient } from "../../notifications/static/notifications/client.js";
import { FakeEnvironment, FakeStorage, greet, id, inbox, item, record, settle, welcome } from "./fakes.js";

/** A client in a fake browser, greeted with these unread items. */
async function client({ items = [], greeted = true, environment = new FakeEnvironment(), before, ...options } = {}) {
  const made = new NotificationsClient({ environment, ...options });
  const seen = record(made, "state", "notification", "read", "retracted", "unread", "inbox", "error");
  before?.(environment);
  made.connect();
  if (greeted) await greet(environment, items);
  else await settle();
  return { client: made, env: environment, clock: environment.clock, seen, socket: environment.socket, of: (type) => seen.filter(([t]) => t === type).map(([, d]) => d) };
}

const answerRead = (socket, unread, ids) => {
  const frame = socket.frames("read").at(-1);
  socket.receive({ type: "read", ids: ids ?? frame.ids, unread, ref: frame.ref });
  return settle();
};

// --- tokens and addresses

test("a cookie session gets its token by POST with the CSRF cookie", async () => {
  const { env, socket } = await client();
  const [request] = env.requests;
  assert.deepEqual([request.url, request.method, request.headers["X-CSRFToken"], request.credentials],
    ["https://app.example/api/notifications/token/", "POST", "crumb=", "same-origin"]);
  assert.equal(socket.url, "wss://app.example/ws/notifications/");
  assert.deepEqual(socket.protocols, ["notifications.v1", "bearer.access-token"]);
});

test("another CSRF cookie name, another address", async () => {
  const { env, socket } = await client({ csrfCookie: "b", url: "http://other.example/live/", api: "/n/", greeted: false,
    before: (e) => { e.answers["*"] = { access: "x" }; } });
  assert.equal(env.requests[0].headers["X-CSRFToken"], "2");
  assert.equal(env.requests[0].url, "https://app.example/n/token/");
  assert.equal(socket.url, "ws://other.example/live/");
});

for (const [name, given] of [["a string", "t1"], ["an object", { access: "t1" }]]) {
  test(`a page's own token function may give ${name}; the HTTP API then gets it as Bearer, without cookies`, async () => {
    const { env, client: made, socket } = await client({ getToken: () => given, before: (e) => { e.answers["?limit=5"] = { items: [], next: null, unread: 0 }; } });
    assert.deepEqual(socket.protocols, ["notifications.v1", "bearer.t1"]);
    socket.lose();
    await made.list({ limit: 5 });
    assert.deepEqual([env.requests.at(-1).headers.Authorization, env.requests.at(-1).credentials], ["Bearer t1", "omit"]);
  });
}

test("a token function that gives null says signed out", async () => {
  const { client: made } = await client({ getToken: async () => null, greeted: false });
  assert.deepEqual([made.state, made.reason], ["closed", "signed_out"]);
});

test("401 for the token says signed out; 403 and 500 are tried again", async () => {
  for (const [status, state] of [[401, "closed"], [403, "reconnecting"], [500, "reconnecting"]]) {
    const { client: made } = await client({ greeted: false, before: (e) => { e.answers["token/"] = status; } });
    assert.equal(made.state, state);
  }
});

test("a page of one user never shows another's inbox", async () => {
  const { client: made, of } = await client({ uid: "8", items: [item(1)] });
  assert.deepEqual([made.state, made.reason], ["closed", "signed_out"]);
  assert.deepEqual(of("inbox"), []);
});

test("token_expiring is answered by auth with a fresh token", async () => {
  const { env, socket } = await client();
  env.answers["token/"] = { access: "newer" };
  socket.receive({ type: "token_expiring", in: 60 });
  await settle();
  assert.equal(socket.frames("auth")[0].token, "newer");
});

test("a session that is over when the token expires says signed out", async () => {
  const { client: made, env, socket } = await client();
  env.answers["token/"] = 401;
  socket.receive({ type: "token_expiring", in: 60 });
  await settle();
  assert.equal(made.reason, "signed_out");
});

test("a renewal that fails otherwise leaves the socket", async () => {
  const { client: made, env, socket } = await client();
  env.answers["token/"] = 503;
  socket.receive({ type: "token_expiring", in: 60 });
  await settle();
  assert.equal(made.state, "connected");
});

// --- items

test("a push is told once, however often it comes", async () => {
  const { socket, of, client: made } = await client();
  for (let n = 0; n < 2; n += 1) socket.receive({ ...item(1, { live: true }), unread: 1 });
  assert.deepEqual(of("notification").map((d) => d.item.id), [id(1)]);
  assert.equal(made.unread, 1);
  assert.deepEqual(of("unread"), [{ unread: 1 }]);
});

test("an item that came by push is not fresh in the next resync", async () => {
  const { socket, of } = await client();
  socket.receive({ ...item(1, { live: true }), unread: 1 });
  socket.receive(inbox([item(1), item(2)]));
  assert.deepEqual(of("inbox").at(-1).fresh.map((i) => i.id), [id(2)]);
});

test("a resync takes away what was read elsewhere", async () => {
  const { socket, of, client: made } = await client({ items: [item(1), item(2)] });
  socket.receive(inbox([item(2)]));
  assert.deepEqual(of("read"), [{ ids: [id(1)] }]);
  assert.deepEqual(made.items.map((i) => i.id), [id(2)]);
  assert.equal(made.unread, 1);
});

test("read and retracted news of other tabs are told", async () => {
  const { socket, of, client: made } = await client({ items: [item(1), item(2)] });
  socket.receive({ type: "read", ids: [id(1)], unread: 1 });
  socket.receive({ type: "retracted", ids: [id(2)], unread: 0 });
  assert.deepEqual([of("read"), of("retracted"), made.unread, made.items], [[{ ids: [id(1)] }], [{ ids: [id(2)] }], 0, []]);
});

test("the server's clock counts, not the page's", async () => {
  const environment = new FakeEnvironment();
  environment.clock.now += 7_200_000;
  const { client: made } = await client({ environment, items: [item(1, { expires_at: "2026-01-02T03:05:00.000Z" })] });
  assert.equal(made.items.length, 1);
});

test("an error without ref is told; unknown frames are ignored", async () => {
  const { socket, of } = await client();
  socket.receive({ type: "error", code: "rate_limited", message: "slow down" });
  socket.receive({ type: "tomorrow", x: 1 });
  assert.deepEqual(of("error"), [{ code: "rate_limited", message: "slow down" }]);
});

// --- list

test("list asks the socket and gives the page", async () => {
  const { client: made, socket } = await client();
  const page = made.list({ before: id(9), limit: 2, unread: true, kind: "a.b" });
  const { ref, ...frame } = socket.frames("list")[0];
  assert.deepEqual(frame, { type: "list", before: id(9), limit: 2, unread: true, kind: "a.b" });
  socket.receive({ type: "list", items: [item(8), item(7)], next: id(7), ref });
  assert.deepEqual(await page, { items: [item(8), item(7)], next: id(7) });
});

test("a list that the server refuses, that is never answered, or whose socket is lost, is rejected", async () => {
  const { client: made, socket, clock } = await client();
  const refused = assert.rejects(made.list(), { code: "unavailable" });
  socket.receive({ type: "error", code: "unavailable", message: "later", ref: socket.frames("list")[0].ref });
  await refused;
  const unanswered = assert.rejects(made.list(), { code: "timeout" });
  await clock.advance(7_000);
  socket.receive({ type: "ping" });
  await clock.advance(8_000);
  await unanswered;
  const lost = assert.rejects(made.list(), { code: "disconnected" });
  socket.lose();
  await lost;
});

test("without a socket list goes by HTTP", async () => {
  const { client: made, env } = await client({ greeted: false, before: (e) => { e.answers["?limit=20&unread=true"] = { items: [item(1)], next: null, unread: 4 }; } });
  assert.deepEqual(await made.list({ limit: 20, unread: true }), { items: [item(1)], next: null });
  assert.equal(made.unread, 4);
  assert.equal(env.requests.at(-1).method, undefined);
});

test("what was read here is read in a page that the server made before it knew", async () => {
  const { client: made, socket } = await client({ items: [item(1)] });
  made.read([id(1)]);
  const page = made.list();
  socket.receive({ type: "list", items: [item(1)], next: null, ref: socket.frames("list")[0].ref });
  assert.ok((await page).items[0].read_at);
});

// --- reads

test("a read shows at once, is sent, and is kept until it is answered", async () => {
  const { client: made, socket, of } = await client({ items: [item(1), item(2)] });
  made.read([id(1)], { via: "popup" });
  assert.equal(made.unread, 1);
  assert.deepEqual(of("read"), [{ ids: [id(1)] }]);
  const { ref, ...frame } = socket.frames("read")[0];
  assert.deepEqual(frame, { type: "read", ids: [id(1)], via: "popup", confirm: false });
  assert.equal(made.queued, 1);
  await answerRead(socket, 1);
  assert.equal(made.queued, 0);
  assert.equal(made.unread, 1);
});

test("an item that needs a confirmation is not read by being seen, only by confirm", async () => {
  const { client: made, socket } = await client({ items: [item(1, { confirm: true })] });
  made.read([id(1)]);
  made.readAll(id(1));
  assert.equal(made.unread, 1);
  assert.equal(socket.frames("read").length, 0);
  made.confirm(id(1));
  const { ref, ...frame } = socket.frames("read")[0];
  assert.deepEqual(frame, { type: "read", ids: [id(1)], via: "popup", confirm: true });
  assert.equal(made.unread, 0);
});

test("mark all read goes up to what was seen", async () => {
  const { client: made, socket } = await client({ items: [item(1), item(2), item(3)] });
  made.readAll(id(2));
  const { ref, ...frame } = socket.frames("read_all")[0];
  assert.deepEqual(frame, { type: "read_all", before: id(2) });
  assert.deepEqual(made.items.map((i) => i.id), [id(3)]);
  assert.equal(made.unread, 1);
  socket.receive({ type: "read", ids: [id(1), id(2)], unread: 1, ref });
  await settle();
  assert.equal(made.queued, 0);
  assert.equal(made.unread, 1);
});

test("reading what is read sends nothing", async () => {
  const { client: made, socket } = await client({ items: [item(1)] });
  made.read([id(1)]);
  await answerRead(socket, 0);
  made.read([id(1)]);
  assert.equal(socket.frames("read").length, 1);
});

test("reads made while disconnected are sent after welcome", async () => {
  const { client: made, env, clock, socket } = await client({ items: [item(1)] });
  socket.lose();
  made.read([id(1)]);
  await clock.advance(1_000);
  await greet(env, [item(1)]);
  assert.deepEqual(env.socket.frames("read")[0].ids, [id(1)]);
  assert.equal(env.socket.frames("read").length, 1);
  assert.equal(made.unread, 0);
  await answerRead(env.socket, 0);
  assert.equal(made.queued, 0);
});

test("a read whose answer was lost is sent again", async () => {
  const { client: made, env, clock, socket } = await client({ items: [item(1)] });
  made.read([id(1)]);
  socket.lose();
  await clock.advance(1_000);
  await greet(env);
  assert.deepEqual(env.socket.frames("read")[0].ids, [id(1)]);
});

test("reads of an earlier page are sent by the next one", async () => {
  const storage = new FakeStorage();
  const first = await client({ environment: new FakeEnvironment({ storage }), items: [item(1)] });
  first.client.read([id(1)]);
  const second = await client({ environment: new FakeEnvironment({ storage }), items: [item(1)] });
  assert.deepEqual(second.env.socket.frames("read")[0].ids, [id(1)]);
  assert.equal(second.client.unread, 0);
  assert.deepEqual(second.of("inbox")[0].fresh, []);
});

test("a read that the server cannot take now is repeated 5 s later", async () => {
  const { client: made, socket, clock } = await client({ items: [item(1)] });
  made.read([id(1)]);
  socket.receive({ type: "error", code: "unavailable", message: "later", ref: socket.frames("read")[0].ref });
  await clock.advance(4_999);
  assert.equal(socket.frames("read").length, 1);
  await clock.advance(1);
  assert.equal(socket.frames("read").length, 2);
  assert.equal(made.queued, 1);
});

test("a read that is wrong is not repeated for ever", async () => {
  const { client: made, socket, clock } = await client({ items: [item(1)] });
  made.read([id(1)]);
  socket.receive({ type: "error", code: "invalid_frame", message: "no", ref: socket.frames("read")[0].ref });
  await clock.advance(10_000);
  assert.deepEqual([socket.frames("read").length, made.queued], [1, 0]);
});

test("an id that the answer leaves out is waited for no longer", async () => {
  const { client: made, socket } = await client({ items: [item(1)] });
  made.read([id(99)]);
  await answerRead(socket, 1, []);
  assert.deepEqual([made.queued, made.unread], [0, 1]);
});

test("on leaving, reads not yet answered go by a request that outlives the page", async () => {
  const { client: made, env } = await client({ items: [item(1), item(2)] });
  made.read([id(1)]);
  env.fire("pagehide", { persisted: false });
  await settle();
  const request = env.requests.at(-1);
  assert.deepEqual([request.path, request.method, request.keepalive, request.headers["X-CSRFToken"]], ["read/", "POST", true, "crumb="]);
  assert.deepEqual(request.body, { ids: [id(1)], via: "list", confirm: false });
  assert.equal(made.queued, 1, "nobody has answered");
});

test("a page that leaves with nothing to say asks for nothing", async () => {
  const { env } = await client();
  const before = env.requests.length;
  env.fire("pagehide", { persisted: false });
  assert.equal(env.requests.length, before);
});

// --- no socket to be had

async function refused(answers) {
  const all = await client({ greeted: false, before: (e) => Object.assign(e.answers, answers) });
  for (let n = 0; n < 3; n += 1) {
    all.env.socket.lose();
    if (n < 2) await all.clock.advance(all.clock.waits[0] + 1);
  }
  await settle();
  return { ...all, asked: () => all.env.requests.filter(({ path }) => path === "unread/").length };
}

test("after three attempts that never opened the HTTP API is asked; 401 says signed out", async () => {
  const { client: made, asked, clock, env } = await refused({ "unread/": 401 });
  assert.equal(asked(), 1);
  assert.deepEqual([made.state, made.reason], ["closed", "signed_out"]);
  const attempts = env.sockets.length;
  await clock.advance(600_000);
  assert.equal(env.sockets.length, attempts);
  assert.equal(asked(), 1);
});

test("any other answer: it keeps trying, and the badge is refreshed once a minute", async () => {
  const { client: made, asked, clock, env } = await refused({ "unread/": () => ({ unread: 3 }) });
  assert.deepEqual([made.state, made.unread], ["reconnecting", 3]);
  env.answers["unread/"] = { unread: 5 };
  await clock.advance(59_999);
  assert.equal(made.unread, 3);
  await clock.advance(1);
  assert.deepEqual([made.unread, asked()], [5, 2]);
  assert.ok(env.sockets.length > 4);
});

test("an API that cannot be reached either changes nothing", async () => {
  const { client: made, asked, clock } = await refused({ "unread/": new TypeError("network") });
  assert.equal(made.state, "reconnecting");
  await clock.advance(60_000);
  assert.equal(asked(), 2);
});

test("once a socket is open the badge is asked for no more", async () => {
  const { asked, clock, env } = await refused({ "unread/": { unread: 3 } });
  await clock.advance(20_000);
  await greet(env);
  for (let n = 0; n < 10; n += 1) {
    await clock.advance(20_000);
    env.socket.receive({ type: "ping" });
  }
  assert.equal(asked(), 1);
});

test("reads go by HTTP where no socket is to be had", async () => {
  const { client: made, clock, env } = await refused({ "unread/": { unread: 1 }, "read/": ({ body }) => ({ ids: body.ids, unread: 0 }) });
  made.read([id(1)]);
  assert.equal(made.queued, 1);
  await clock.advance(60_000);
  assert.deepEqual(env.requests.find(({ path }) => path === "read/").body, { ids: [id(1)], via: "list", confirm: false });
  assert.deepEqual([made.queued, made.unread], [0, 0]);
});

test("an answer by HTTP that is later than the socket does not set the count back", async () => {
  let answer;
  const { client: made, clock, env } = await refused({ "unread/": { unread: 2 }, "read/": () => new Promise((done) => { answer = done; }) });
  made.read([id(1)]);
  await clock.advance(60_000);
  await greet(env, [item(2), item(3), item(4)]);
  answer({ ids: [id(1)], unread: 1 });
  await settle();
  assert.deepEqual([made.queued, made.unread], [0, 3]);
});

// --- on and off

test("disconnect closes for good and listens no more; connect begins again", async () => {
  const { client: made, env, clock } = await client();
  made.disconnect();
  assert.equal(made.state, "idle");
  assert.equal(env.listeners, 0);
  await clock.advance(600_000);
  assert.equal(env.sockets.length, 1);
  made.connect();
  await greet(env);
  assert.equal(made.state, "connected");
});

test("retryNow begins again after the server said stop, and sends what waits", async () => {
  const { client: made, env, socket } = await client({ items: [item(1)] });
  socket.lose(4004);
  assert.deepEqual([made.state, made.reason], ["closed", "too_many_connections"]);
  made.read([id(1)]);
  made.retryNow();
  await greet(env, [item(1)]);
  assert.deepEqual([made.state, made.reason, env.socket.frames("read").length], ["connected", null, 1]);
});

test("connect twice opens one socket", async () => {
  const { client: made, env } = await client();
  made.connect();
  await settle();
  assert.equal(env.sockets.length, 1);
});

test("a sign-out elsewhere closes it, and says so", async () => {
  const { of, socket } = await client();
  socket.lose(4003);
  assert.deepEqual(of("state").at(-1), { state: "closed", reason: "signed_out" });
});

test("welcome again, with what came meanwhile: nothing lost, nothing doubled", async () => {
  const { env, clock, socket, of, client: made } = await client({ items: [item(1)] });
  socket.receive({ ...item(2, { live: true }), unread: 2 });
  socket.lose();
  await clock.advance(1_000);
  await greet(env, [item(1), item(2), item(3)]);
  env.socket.receive({ ...item(3, { live: true }), unread: 3 });
  const told = [...of("inbox").flatMap((d) => d.fresh), ...of("notification").map((d) => d.item)].map((i) => i.id);
  assert.deepEqual(told.sort(), [1, 2, 3].map(id));
  assert.equal(made.unread, 3);
  assert.equal(welcome().protocol, 1);
});
