import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { afterClose, frames, parse, safeUrl, stopReason, subprotocols } from "../../notifications/static/notifications/protocol.js";

const golden = (name) => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), "utf8"));

for (const { name, frame } of golden("server_frames")) {
  test(`golden frame ${name} is understood`, () => assert.deepEqual(parse(JSON.stringify(frame)), frame));
}

for (const { code, client } of golden("close_codes")) {
  test(`after ${code}: ${client}`, () => assert.equal(afterClose(code), client));
}

test("the range of a code is the instruction, whatever the code", () => {
  assert.deepEqual([3999, 4000, 4099, 4100, 4199, 4200, 4299, 4300].map(afterClose),
    ["back_off", "stop", "stop", "back_off", "back_off", "at_once", "at_once", "back_off"]);
});

test("a reason for each code that stops", () => {
  assert.deepEqual([4001, 4003, 4004, 4007, 4050].map(stopReason),
    ["signed_out", "signed_out", "too_many_connections", "protocol_violation", "stopped"]);
});

// What we send is among what the server is shown to understand: same type, and no field that it does not know.
const understood = new Map();
for (const { frame } of golden("client_frames")) {
  const fields = understood.get(frame.type) ?? new Set(["ref"]); // which any frame may carry
  for (const field of Object.keys(frame)) fields.add(field);
  understood.set(frame.type, fields);
}
for (const frame of [frames.ping(), frames.ping(1), frames.pong("p"), frames.read(["a"]), frames.read(["a"], "popup", true),
  frames.readAll("a"), frames.list({}), frames.list({ before: "a", limit: 5, unread: true, kind: "x" }), frames.auth("t")]) {
  test(`the server knows ${JSON.stringify(frame)}`, () => {
    const known = understood.get(frame.type);
    assert.ok(known, "no golden frame of this type");
    for (const field of Object.keys(JSON.parse(JSON.stringify(frame)))) assert.ok(known.has(field), field);
  });
}

test("fields without a value are not sent", () => {
  assert.equal(JSON.stringify(frames.list({ before: null, limit: 20, kind: null })), '{"type":"list","limit":20}');
});

test("what is no frame is ignored", () => {
  for (const text of ["", "x", "null", "[]", "1", '"ping"', "{}", '{"type":1}', new ArrayBuffer(2), undefined]) {
    assert.equal(parse(text), null);
  }
});

test("the token travels as a subprotocol", () => {
  assert.deepEqual(subprotocols("a.b.c"), ["notifications.v1", "bearer.a.b.c"]);
});

test("only paths and http(s) become links", () => {
  for (const url of ["/", "/wallet/42", "https://example.com/?a=1", "HTTP://example.com"]) assert.equal(safeUrl(url), url);
  for (const url of [null, "", "//evil.example", "/\\evil.example", "javascript:alert(1)", " javascript:alert(1)", "data:text/html,x",
    "wallet", "ftp://x", "java\nscript:alert(1)"]) assert.equal(safeUrl(url), null);
});
