/** What the user has chosen, kept on the server and followed by every page: quiet hours, sound, kinds that do not pop up. */

/** @typedef {{from: string, to: string, time_zone: string}} QuietHours `HH:MM` in that time zone */
/** @typedef {{quiet_hours: QuietHours|null, sound: boolean|null, muted_kinds: string[]}} Values */
/** @typedef {Values & {kinds: {kind: string, name: string}[]}} WithKinds */

export const SPREAD_MS = 3_000; // so that the pages of a node that went away do not all ask at once

/** Dispatches `change`. */
export class Preferences extends EventTarget {
  /** @type {Values} as last heard */ values = { quiet_hours: null, sound: null, muted_kinds: [] };
  #env;
  #api;
  /** @type {string|null} */ #key = null;
  #following = false;
  #heard = false;
  /** @type {any} */ #timer = null;

  /** @param {import("./environment.js").Environment} env @param {import("./api.js").Api} api */
  constructor(env, api) {
    super();
    this.#env = env;
    this.#api = api;
  }

  /** @param {string} uid whose they are; until the server has answered, what it said to an earlier page holds */
  adopt(uid) {
    const key = `notifications.preferences.${uid}`;
    if (key === this.#key) return;
    this.#key = key;
    try {
      const kept = JSON.parse(this.#env.storage.getItem(key) ?? "null");
      if (kept) this.#hold(kept);
    } catch {
      // The server will say.
    }
  }

  /** From the first `inbox` on keep them current; a client that shows nothing never asks. */
  follow() {
    if (this.#following) return;
    this.#following = true;
    if (this.#heard) this.#later(0);
  }

  /** The server has sent the inbox, as it does after each connection and each change of preferences. */
  heard() {
    if (this.#following) this.#later(this.#heard ? this.#env.random() * SPREAD_MS : 0);
    this.#heard = true;
  }

  /** @returns {Promise<WithKinds>} with the kinds that there are to choose from; rejects as HTTP does */
  async load() {
    const answer = await this.#api.preferences();
    this.#hold(answer);
    return answer;
  }

  /** @param {Partial<Values>} change @returns {Promise<void>} rejects as HTTP does, and then they are as before */
  async save(change) {
    this.#hold(await this.#api.putPreferences({ ...this.values, ...change }));
  }

  /** @param {string} kind whether its items do not pop up */
  muted(kind) {
    return this.values.muted_kinds.includes(kind);
  }

  /** @param {number} now whether nothing is to pop up or sound at this moment */
  quiet(now) {
    const hours = this.values.quiet_hours;
    if (!hours) return false;
    const time = timeOfDay(now, hours.time_zone);
    return hours.from < hours.to ? time >= hours.from && time < hours.to : time >= hours.from || time < hours.to;
  }

  /** @param {number} ms */
  #later(ms) {
    this.#timer ??= this.#env.setTimeout(async () => {
      this.#timer = null;
      // As unreachable as the rest: what was heard last goes on holding.
      await this.#api.preferences(false).then((answer) => this.#hold(answer), () => {});
    }, ms);
  }

  /** @param {any} answer */
  #hold({ quiet_hours, sound, muted_kinds }) {
    const was = JSON.stringify(this.values);
    this.values = { quiet_hours, sound, muted_kinds };
    const is = JSON.stringify(this.values);
    if (is === was) return;
    try {
      if (this.#key) this.#env.storage.setItem(this.#key, is);
    } catch {
      // Full: the next page asks.
    }
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {number} moment @param {string} timeZone @returns {string} `HH:MM` there; of a zone unknown here, here */
function timeOfDay(moment, timeZone) {
  const shape = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  try {
    return new Intl.DateTimeFormat("en-GB", { ...shape, timeZone }).format(moment);
  } catch {
    return new Intl.DateTimeFormat("en-GB", shape).format(moment);
  }
}
