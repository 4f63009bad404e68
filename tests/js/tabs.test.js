import assert from "node:assert/strict";
import test from "node:test";

import { Tabs } from "../../notifications/static/notifications/tabs.js";
import { FakeAir, FakeClock, FakeEnvironment } from "./fakes.js";

/** Tabs of one browser; each remembers what it shows. */
function browser(...places) {
  const clock = new FakeClock();
  const air = new FakeAir();
  const tabs = places.map((fields, n) => {
    const env = Object.assign(new FakeEnvironment({ clock, air }), { chance: n / 10 }, fields);
    const shows = new Set();
    const tab = new Tabs(env, "7", { showing: (id) => shows.has(id), taken: (id) => shows.delete(id) });
    return { env, shows, tab, claim: async (id, again) => { if (await tab.claim(id, again)) shows.add(id); } };
  });
  return { clock, tabs, count: (id) => tabs.filter(({ shows }) => shows.has(id)).length };
}

const FOCUSED = { hidden: false, focused: true };
const VISIBLE = { hidden: false, focused: false };
const HIDDEN = { hidden: true, focused: false };

async function allClaim({ clock, tabs }, id, order = tabs) {
  const claims = order.map((tab) => tab.claim(id));
  await clock.advance(1_000);
  await Promise.all(claims);
}

for (const [name, places, winner] of [
  ["the focused one", [VISIBLE, FOCUSED, HIDDEN], 1],
  ["the visible one", [HIDDEN, VISIBLE, HIDDEN], 1],
]) {
  test(`of several tabs ${name} shows it, whichever heard first`, async () => {
    for (const turn of [(tabs) => tabs, (tabs) => [...tabs].reverse()]) {
      const all = browser(...places);
      await allClaim(all, "a", turn(all.tabs));
      assert.deepEqual(all.tabs.map(({ shows }) => shows.has("a")), places.map((_, n) => n === winner));
    }
  });
}

test("of two equal tabs exactly one shows it", async () => {
  for (const place of [VISIBLE, HIDDEN]) {
    const all = browser(place, place, place);
    await allClaim(all, "a");
    assert.equal(all.count("a"), 1);
  }
});

test("two tabs that both think they are in front: exactly one shows it, also when their claims cross", async () => {
  for (const apart of [0, 20, 39, 40, 41, 200]) {
    const all = browser(FOCUSED, FOCUSED);
    const first = all.tabs[0].claim("a");
    await all.clock.advance(apart);
    const second = all.tabs[1].claim("a");
    await all.clock.advance(1_000);
    await Promise.all([first, second]);
    assert.equal(all.count("a"), 1, `${apart} ms apart`);
  }
});

test("two that have come to show it at once agree on one", async () => {
  const all = browser(FOCUSED, FOCUSED);
  for (const { shows } of all.tabs) shows.add("a");
  all.tabs[0].tab.claim("a", true);
  await all.clock.advance(1_000);
  assert.equal(all.count("a"), 1);
});

test("a tab that hears of it late does not show it again", async () => {
  const all = browser(VISIBLE, VISIBLE);
  const first = all.tabs[0].claim("a");
  await all.clock.advance(5_000);
  await first;
  const second = all.tabs[1].claim("a");
  await all.clock.advance(5_000);
  await second;
  assert.equal(all.count("a"), 1);
});

test("a visible tab takes over what a hidden one shows, and not what a visible one shows", async () => {
  for (const [place, taker] of [[HIDDEN, 1], [VISIBLE, 0]]) {
    const all = browser(VISIBLE, FOCUSED);
    const first = all.tabs[0].claim("a");
    await all.clock.advance(1_000);
    await first;
    Object.assign(all.tabs[0].env, place);
    const second = all.tabs[1].claim("a", true);
    await all.clock.advance(1_000);
    await second;
    assert.deepEqual(all.tabs.map(({ shows }) => shows.has("a")), [taker === 0, taker === 1]);
  }
});

test("users of one browser do not meet", async () => {
  const clock = new FakeClock();
  const air = new FakeAir();
  const options = { showing: () => false, taken: () => assert.fail("not theirs") };
  const one = new Tabs(new FakeEnvironment({ clock, air }), "7", options);
  const two = new Tabs(new FakeEnvironment({ clock, air }), "8", options);
  const claims = Promise.all([one.claim("a"), two.claim("a")]);
  await clock.advance(1_000);
  assert.deepEqual(await claims, [true, true]);
});

test("without broadcast channels a tab shows what it gets", async () => {
  const tab = new Tabs(new FakeEnvironment(), "7", { showing: () => false, taken() {} });
  assert.equal(await tab.claim("a"), true);
});

test("a closed tab leaves the channel", async () => {
  const all = browser(VISIBLE, VISIBLE);
  all.tabs[1].tab.close();
  await allClaim(all, "a", [all.tabs[0]]);
  assert.equal(all.count("a"), 1);
});
