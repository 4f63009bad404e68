import assert from "node:assert/strict";
import test from "node:test";

import { Connection } from "../../notifications/static/notifications/connection.js";
import { FakeEnvironment, welcome } from "./fakes.js";

function opened(fields = {}) {
  const env = Object.assign(new FakeEnvironment(), fields);
  const heard = [];
  const connection = new Connection(env, "wss://app.example/ws/", "t", {
    welcome: (frame) => heard.push(["welcome", frame]),
    frame: (frame) => heard.push(["frame", frame]),
    closed: (end) => heard.push(["closed", end]),
  });
  env.socket.open();
  env.socket.receive(welcome());
  return { env, connection, heard, clock: env.clock, socket: env.socket };
}

test("the server's ping is answered by pong at once, with its ref, in hidden pages as well", () => {
  const { socket } = opened({ hidden: true });
  socket.receive({ type: "ping" });
  socket.receive({ type: "ping", ref: 5 });
  assert.deepEqual(socket.sent, [{ type: "pong" }, { type: "pong", ref: 5 }]);
});

test("a visible page pings every interval", async () => {
  const { socket, clock } = opened();
  await clock.advance(24_999);
  assert.equal(socket.frames("ping").length, 0);
  await clock.advance(1);
  socket.receive({ type: "pong" });
  await clock.advance(25_000);
  assert.equal(socket.frames("ping").length, 2);
});

test("a hidden page does not ping", async () => {
  const { socket, clock } = opened({ hidden: true });
  await clock.advance(34_000);
  assert.deepEqual(socket.sent, []);
});

test("silence of interval + 10 s ends the connection", async () => {
  const { heard, clock } = opened();
  await clock.advance(34_999);
  assert.equal(heard.length, 1);
  await clock.advance(1);
  assert.deepEqual(heard[1], ["closed", { code: 1006, opened: true }]);
});

test("the interval is the server's", async () => {
  const env = new FakeEnvironment();
  const heard = [];
  new Connection(env, "wss://x/", "t", { welcome() {}, frame() {}, closed: (end) => heard.push(end) });
  env.socket.open();
  env.socket.receive(welcome({ heartbeat: { interval: 2, timeout: 5 } }));
  await env.clock.advance(11_999);
  assert.equal(heard.length, 0);
  await env.clock.advance(1);
  assert.equal(heard.length, 1);
});

test("any frame puts the watchdog off", async () => {
  const { heard, clock, socket } = opened();
  for (const frame of [{ type: "ping" }, { type: "pong" }, { type: "read", ids: [], unread: 0 }, "not json", { type: "news" }]) {
    await clock.advance(34_000);
    socket.receive(frame);
  }
  assert.ok(!heard.some(([what]) => what === "closed"));
});

test("asked again and again, a dead connection ends no later than without", async () => {
  const { heard, clock, connection } = opened();
  await clock.advance(20_000);
  for (let n = 0; n < 3; n += 1) {
    connection.probe();
    await clock.advance(1_600);
  }
  assert.equal(heard.length, 1);
  await clock.advance(200);
  assert.deepEqual(heard.at(-1), ["closed", { code: 1006, opened: true }]);
});

test("a probe just before the watchdog leaves it its time", async () => {
  const { heard, clock, connection } = opened();
  await clock.advance(34_800);
  connection.probe();
  await clock.advance(199);
  assert.equal(heard.length, 1);
  await clock.advance(1);
  assert.deepEqual(heard.at(-1), ["closed", { code: 1006, opened: true }]);
});

test("a watchdog that overslept probes before it judges", async () => {
  const { heard, clock, socket } = opened();
  await clock.freeze(3_600_000);
  assert.ok(socket.frames("ping").length >= 1);
  socket.receive({ type: "pong" });
  await clock.advance(30_000);
  assert.equal(heard.length, 1);
});

test("a watchdog that overslept ends a dead connection 5 s later", async () => {
  const { heard, clock } = opened();
  await clock.freeze(3_600_000);
  await clock.advance(5_000);
  assert.deepEqual(heard.at(-1), ["closed", { code: 1006, opened: true }]);
});

test("a close is told once, with its code", () => {
  const { heard, socket, connection } = opened();
  socket.lose(4103);
  connection.abandon();
  assert.deepEqual(heard.slice(1), [["closed", { code: 4103, opened: true }]]);
});

test("a handshake that is refused is told as unopened", () => {
  const env = new FakeEnvironment();
  const heard = [];
  new Connection(env, "wss://x/", "t", { welcome() {}, frame() {}, closed: (end) => heard.push(end) });
  env.socket.lose(1006);
  assert.deepEqual(heard, [{ code: 1006, opened: false }]);
});

test("an abandoned connection says and hears nothing more", async () => {
  const { heard, socket, connection, clock } = opened();
  connection.abandon();
  socket.receive({ type: "ping" });
  socket.lose();
  await clock.advance(100_000);
  assert.equal(heard.length, 1);
  assert.deepEqual(socket.sent, []);
  assert.deepEqual(clock.waits, []);
});

test("frames reach whoever listens, heartbeats do not", () => {
  const { heard, socket } = opened();
  socket.receive({ type: "ping" });
  socket.receive({ type: "pong" });
  socket.receive({ type: "read", ids: ["a"], unread: 1 });
  assert.deepEqual(heard.slice(1), [["frame", { type: "read", ids: ["a"], unread: 1 }]]);
});

test("send says whether the socket took it", () => {
  const { connection, socket } = opened();
  assert.equal(connection.send({ type: "ping" }), true);
  socket.readyState = 2;
  assert.equal(connection.send({ type: "ping" }), false);
});
