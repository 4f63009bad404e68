import assert from "node:assert/strict";
import test from "node:test";

import { Messages } from "../../notifications/static/notifications/messages.js";

const served = (catalog) => async () => ({ ok: true, json: async () => ({ catalog, formats: {}, plural: "0" }) });

async function loaded(language, catalog) {
  const messages = new Messages(language);
  await messages.load("/catalog/", served(catalog));
  return messages;
}

test("English needs no catalogue", () => {
  const messages = new Messages("en");
  assert.equal(messages.gettext("Close"), "Close");
  assert.equal(messages.ngettext("%(n)s item", "%(n)s items", 1, { n: 1 }), "1 item");
  assert.equal(messages.ngettext("%(n)s item", "%(n)s items", 0, { n: 0 }), "0 items");
});

test("a text of the catalogue is used, one that it lacks stays English", async () => {
  const messages = await loaded("zh-hans", { Close: "关闭" });
  assert.equal(messages.gettext("Close"), "关闭");
  assert.equal(messages.gettext("Open"), "Open");
});

test("a language with one form", async () => {
  const messages = await loaded("zh-hans", { "%(n)s item": ["%(n)s 项"] });
  assert.equal(messages.ngettext("%(n)s item", "%(n)s items", 1, { n: 1 }), "1 项");
  assert.equal(messages.ngettext("%(n)s item", "%(n)s items", 5, { n: 5 }), "5 项");
});

test("a language with many forms picks them as its categories stand", async () => {
  const messages = await loaded("ar", { "%(n)s item": ["zero", "one", "two", "few", "many", "other"] });
  const forms = [0, 1, 2, 5, 11, 100].map((n) => messages.ngettext("%(n)s item", "%(n)s items", n));
  assert.deepEqual(forms, ["zero", "one", "two", "few", "many", "other"]);
});

test("a catalogue that cannot be had leaves English", async () => {
  const messages = new Messages("zh-hans");
  await messages.load("/catalog/", async () => { throw new TypeError("network"); });
  await messages.load("/catalog/", async () => ({ ok: false }));
  assert.equal(messages.gettext("Close"), "Close");
});

test("values are filled in, as text", () => {
  assert.equal(new Messages().gettext("%(who)s: %(n)s", { who: "$&<b>", n: 3 }), "$&<b>: 3");
});

test("an odd language tag does no harm", () => {
  assert.equal(new Messages("no_such!tag").language, "en");
  assert.equal(new Messages("zh-hans").language, "zh-Hans");
});
