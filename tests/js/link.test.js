import assert from "node:assert/strict";
import test from "node:test";

import { Link, SignedOut } from "../../notifications/static/notifications/link.js";
import { FakeEnvironment, settle, welcome } from "./fakes.js";

/** A link in a fake browser, started, with all it says noted. */
async function started({ token = async () => "t", ...fields } = {}) {
  const env = Object.assign(new FakeEnvironment(), fields);
  const said = { states: [], frames: [], unreachable: 0 };
  const link = new Link(env, {
    url: "wss://app.example/ws/notifications/",
    token,
    onstate: (state, reason) => said.states.push(reason ? `${state} ${reason}` : state),
    onwelcome: () => {},
    onframe: (frame) => said.frames.push(frame),
    onunreachable: () => { said.unreachable += 1; },
  });
  link.start();
  await settle();
  return { env, link, said, clock: env.clock };
}

async function connected(options) {
  const all = await started(options);
  all.env.socket.open();
  all.env.socket.receive(welcome());
  return all;
}

test("it opens one socket, with the token as a subprotocol", async () => {
  const { env, link } = await connected();
  assert.equal(env.sockets.length, 1);
  assert.equal(env.socket.url, "wss://app.example/ws/notifications/");
  assert.deepEqual(env.socket.protocols, ["notifications.v1", "bearer.t"]);
  assert.equal(link.state, "connected");
});

test("states go from connecting to connected, and from a loss to reconnecting and back", async () => {
  const { env, said, clock } = await connected();
  env.socket.lose();
  await clock.advance(1000);
  env.socket.open();
  env.socket.receive(welcome());
  assert.deepEqual(said.states, ["connecting", "connected", "reconnecting", "connected"]);
});

test("a socket that does not open within 8 s is given up", async () => {
  const { env, clock } = await started();
  await clock.advance(7_999);
  assert.equal(env.socket.closedWith, null);
  await clock.advance(1);
  assert.equal(env.sockets[0].closedWith, 1000);
  await clock.advance(1_000);
  assert.equal(env.sockets.length, 2);
});

test("a welcome that does not come within 8 s of opening is given up", async () => {
  const { env, clock } = await started();
  await clock.advance(7_000);
  env.socket.open();
  await clock.advance(7_999);
  assert.equal(env.socket.closedWith, null);
  await clock.advance(1);
  assert.equal(env.sockets[0].closedWith, 1000);
});

test("a token that does not come within 8 s counts as a failed attempt", async () => {
  let asked = 0;
  const { env, clock } = await started({ token: () => { asked += 1; return new Promise(() => {}); } });
  await clock.advance(8_000 + 1_000);
  assert.equal(asked, 2);
  assert.equal(env.sockets.length, 0);
});

test("a token that comes too late opens nothing", async () => {
  const waiting = [];
  const { env, clock } = await started({ token: () => new Promise((done) => waiting.push(done)) });
  await clock.advance(8_000 + 1_000);
  waiting[0]("old");
  await settle();
  assert.equal(env.sockets.length, 0);
  waiting[1]("new");
  await settle();
  assert.deepEqual(env.sockets.map((socket) => socket.protocols[1]), ["bearer.new"]);
});

test("every attempt begins with a fresh token", async () => {
  let n = 0;
  const { env, clock } = await connected({ token: async () => `t${++n}` });
  env.socket.lose(4201);
  await clock.advance(1_000);
  assert.deepEqual(env.sockets.map((socket) => socket.protocols[1]), ["bearer.t1", "bearer.t2"]);
});

test("no token to be had: signed out, and no further attempt", async () => {
  const { env, clock, said } = await started({ token: async () => { throw new SignedOut(); } });
  await clock.advance(600_000);
  assert.deepEqual(said.states, ["connecting", "closed signed_out"]);
  assert.equal(env.sockets.length, 0);
  assert.equal(env.listeners, 0);
});

test("a token that fails otherwise is tried again", async () => {
  let asked = 0;
  const { clock } = await started({ token: async () => { asked += 1; throw new Error("500"); } });
  await clock.advance(1_000);
  assert.equal(asked, 2);
});

for (const [code, reason] of [[4000, "stopped"], [4001, "signed_out"], [4003, "signed_out"], [4004, "too_many_connections"],
  [4007, "protocol_violation"], [4099, "stopped"]]) {
  test(`${code} stops it, as ${reason}`, async () => {
    const { env, link, clock } = await connected();
    env.socket.lose(code);
    assert.deepEqual([link.state, link.reason], ["closed", reason]);
    env.fire("online");
    env.fire("focus");
    await clock.advance(600_000);
    assert.equal(env.sockets.length, 1);
  });
}

for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 3999, 4100, 4101, 4103, 4105, 4199, 4300]) {
  test(`${code} backs off, then reconnects`, async () => {
    const { env, clock } = await connected();
    await clock.advance(6_000);
    env.socket.lose(code);
    await clock.advance(649);
    assert.equal(env.sockets.length, 1);
    await clock.advance(1);
    assert.equal(env.sockets.length, 2);
  });
}

for (const code of [4200, 4201, 4299]) {
  test(`${code} reconnects at once`, async () => {
    const { env, clock } = await connected();
    await clock.advance(5_000);
    env.socket.lose(code);
    await clock.advance(0);
    assert.equal(env.sockets.length, 2);
  });
}

test("a node that sends newcomers away with 4200 is backed off from", async () => {
  const { env, clock } = await connected();
  await clock.advance(4_999);
  env.socket.lose(4200);
  await clock.advance(0);
  assert.equal(env.sockets.length, 1);
  await clock.advance(1_000);
  assert.equal(env.sockets.length, 2);
});

test("waits grow with failures, up to 30 s in a visible page", async () => {
  const { env, clock } = await started({ chance: 1 - 1e-9 });
  const waits = [];
  for (let n = 0; n < 8; n += 1) {
    env.socket.lose();
    waits.push(Math.round(clock.waits[0]));
    await clock.advance(waits.at(-1) + 1);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("a hidden page waits up to 300 s", async () => {
  const { env, clock } = await started({ chance: 1 - 1e-9, hidden: true });
  for (let n = 0; n < 10; n += 1) {
    env.socket.lose();
    if (n < 9) await clock.advance(clock.waits[0] + 1);
  }
  assert.equal(Math.round(clock.waits[0]), 300_000);
});

test("the back-off begins anew only after 30 s connected", async () => {
  const { env, clock } = await started({ chance: 1 - 1e-9 });
  const waitAfter = async (connectedMs) => {
    env.socket.open();
    env.socket.receive(welcome());
    for (let passed = 0; passed < connectedMs; passed += 1_000) {
      await clock.advance(Math.min(1_000, connectedMs - passed));
      env.socket.receive({ type: "ping" });
    }
    env.socket.lose();
    const wait = Math.round(clock.waits[0]);
    await clock.advance(wait + 1);
    return wait;
  };
  assert.equal(await waitAfter(29_999), 1_000);
  assert.equal(await waitAfter(29_999), 2_000);
  assert.equal(await waitAfter(30_000), 1_000);
});

test("from the third attempt that never opened on it asks to look elsewhere", async () => {
  const { env, clock, said } = await started();
  const counts = [];
  for (let n = 0; n < 4; n += 1) {
    env.socket.lose();
    counts.push(said.unreachable);
    await clock.advance(clock.waits[0] + 1);
  }
  assert.deepEqual(counts, [0, 0, 1, 2]);
});

test("an attempt that opened counts the unopened ones anew", async () => {
  const { env, clock, said } = await started();
  for (const opens of [false, false, true, false, false]) {
    if (opens) env.socket.open();
    env.socket.lose();
    await clock.advance(7_000);
  }
  assert.equal(said.unreachable, 0);
});

// --- waking

test("waking reconnects at once instead of waiting out the back-off", async () => {
  const { env, clock } = await started({ chance: 1 - 1e-9 });
  for (let n = 0; n < 5; n += 1) {
    env.socket.lose();
    await clock.advance(clock.waits[0] + 1);
  }
  env.socket.lose();
  await clock.advance(5_000);
  const before = env.sockets.length;
  env.fire("focus");
  await settle();
  assert.equal(env.sockets.length, before + 1);
});

for (const [name, event] of [["online", {}], ["resume", {}], ["focus", {}], ["visibilitychange", {}], ["pageshow", { persisted: true }]]) {
  test(`${name} wakes`, async () => {
    const { env, clock } = await connected();
    await clock.advance(10_000);
    env.fire(name, event);
    assert.equal(env.socket.frames("ping").length, 1);
  });
}

test("a page that becomes hidden is not woken, nor one shown for the first time", async () => {
  const { env, clock } = await connected();
  await clock.advance(10_000);
  env.fire("pageshow", { persisted: false });
  env.hidden = true;
  env.fire("visibilitychange");
  assert.equal(env.socket.frames("ping").length, 0);
});

test("waking keeps a connecting socket younger than 3 s and replaces an older one", async () => {
  const { env, clock } = await started();
  await clock.advance(2_999);
  env.fire("focus");
  await settle();
  assert.equal(env.sockets.length, 1);
  await clock.advance(1);
  env.fire("focus");
  await settle();
  assert.equal(env.sockets.length, 2);
  assert.equal(env.openSockets.length, 1);
});

test("waking leaves an open socket alone whose last frame is fresh", async () => {
  const { env, clock } = await connected();
  await clock.advance(4_999);
  env.fire("focus");
  assert.equal(env.socket.frames("ping").length, 0);
});

test("a probe that is answered keeps the socket; one that is not ends it in 5 s", async () => {
  const { env, clock } = await connected();
  await clock.advance(10_000);
  env.fire("focus");
  await clock.advance(4_999);
  env.socket.receive({ type: "pong", server_time: "2026-01-02T03:04:05.678Z" });
  await clock.advance(10_000);
  assert.equal(env.openSockets.length, 1);
  env.fire("focus");
  await clock.advance(5_000);
  assert.equal(env.openSockets.length, 0);
});

test("many signs of waking at once open one socket", async () => {
  const { env } = await started();
  env.online = false;
  env.fire("offline");
  env.online = true;
  for (const name of ["online", "resume", "focus", "visibilitychange"]) env.fire(name);
  env.fire("pageshow", { persisted: true });
  await settle();
  assert.equal(env.openSockets.length, 1);
});

test("signs of waking without end do not hammer a server that refuses", async () => {
  const { env, clock } = await started();
  for (let n = 0; n < 100; n += 1) {
    if (env.socket.readyState < 2) env.socket.lose();
    env.fire("focus");
    await clock.advance(50);
  }
  assert.ok(env.sockets.length <= 6, `${env.sockets.length} attempts in 5 s`);
});

// --- offline, cache, user's wishes

test("offline drops the socket at once and tries nothing until online", async () => {
  const { env, link, clock } = await connected();
  env.online = false;
  env.fire("offline");
  assert.equal(env.socket.closedWith, 1000);
  assert.equal(link.state, "offline");
  env.fire("focus");
  await clock.advance(600_000);
  assert.equal(env.sockets.length, 1);
  env.online = true;
  env.fire("online");
  await settle();
  assert.equal(env.sockets.length, 2);
});

test("started while offline it waits, and connects when online", async () => {
  const { env, link } = await started({ online: false });
  assert.equal(link.state, "offline");
  env.online = true;
  env.fire("online");
  await settle();
  assert.equal(env.sockets.length, 1);
});

test("pagehide closes the socket; pageshow from the cache opens a new one", async () => {
  const { env, link, clock } = await connected();
  env.fire("pagehide", { persisted: true });
  assert.equal(env.socket.closedWith, 1000);
  await clock.advance(600_000);
  assert.equal(env.sockets.length, 1);
  env.fire("pageshow", { persisted: true });
  await settle();
  assert.equal(env.openSockets.length, 1);
  assert.equal(link.state, "reconnecting");
});

test("stop closes the socket and leaves neither timer nor listener", async () => {
  const { env, link, clock } = await connected();
  link.stop();
  assert.equal(env.socket.closedWith, 1000);
  assert.equal(link.state, "idle");
  assert.deepEqual(clock.waits, []);
  assert.equal(env.listeners, 0);
});

test("retryNow begins again after a stop", async () => {
  const { env, link } = await connected();
  env.socket.lose(4004);
  link.retryNow();
  await settle();
  assert.equal(env.sockets.length, 2);
  assert.deepEqual([link.state, link.reason], ["connecting", null]);
});

test("retryNow does not wait for the back-off, nor for the browser to say online", async () => {
  const { env, link } = await connected();
  env.online = false;
  env.fire("offline");
  link.retryNow();
  await settle();
  assert.equal(env.openSockets.length, 1);
});

test("no sequence of events opens two sockets", async () => {
  // A small generator of its own, so that a failure can be repeated.
  let seed = 7;
  const random = (n) => { seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31; return Math.floor((seed / 2 ** 31) * n); };
  const { env, link, clock } = await started();
  const steps = [
    () => env.fire("focus"), () => env.fire("resume"), () => env.fire("visibilitychange"),
    () => { env.online = false; env.fire("offline"); }, () => { env.online = true; env.fire("online"); },
    () => env.fire("pagehide", { persisted: true }), () => env.fire("pageshow", { persisted: true }),
    () => { env.hidden = !env.hidden; }, () => link.retryNow(),
    () => env.socket?.readyState === 0 && env.socket.open(),
    () => env.socket?.readyState === 1 && env.socket.receive(welcome()),
    () => env.openSockets.length && env.socket.lose([1006, 4100, 4200][random(3)]),
    () => clock.advance(random(20_000)), () => clock.freeze(random(100_000)),
  ];
  for (let n = 0; n < 2_000; n += 1) {
    await steps[random(steps.length)]();
    if (n % 3 === 0) await settle();
    assert.ok(env.openSockets.length <= 1, `two sockets after step ${n}`);
  }
  env.online = true;
  if (link.state !== "connected") {
    link.retryNow();
    await settle();
    env.socket.open();
    env.socket.receive(welcome());
  }
  assert.deepEqual([link.state, env.openSockets.length], ["connected", 1]);
});
