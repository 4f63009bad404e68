/** What popups show and for how long: the rules, without a screen. */

/** @typedef {import("./protocol.js").Item} Item */
/**
 * One popup: an item of its own, or a summary of several.
 * @typedef {{key: string, items: Item[], left: number}} Entry `left`: milliseconds to go, Infinity for what stays
 */

export const SHOWN_MAX = 3;
export const LEAST_MS = 8_000;
export const MOST_MS = 30_000;
export const BURST = 5;
export const BURST_MS = 10_000;
const SUMMARY = "summary";

/** @param {Item} item whether it stays until the user puts it away */
export const stays = (item) => item.confirm || item.level === "warning" || item.level === "error";

/**
 * 8 s, or longer for longer text: 3 s to notice it, then 15 Latin or 5 Chinese characters a second.
 * @param {Item} item
 */
export function readingTime({ title, body }) {
  const text = `${title} ${body}`;
  const wide = text.match(/[\u2e80-\u9fff\uac00-\ud7af]/g)?.length ?? 0;
  return Math.min(MOST_MS, Math.max(LEAST_MS, 3_000 + wide * 200 + (text.length - wide) * 67));
}

export class PopupQueue {
  /** @type {Entry[]} oldest first */ entries = [];
  #env;
  #onchange;
  #expired;
  /** @type {Set<string>} why time stands still */ #paused = new Set();
  #suspended = false;
  #since = 0;
  /** @type {any} */ #timer = null;
  /** @type {number[]} when the latest came */ #arrivals = [];

  /**
   * @param {import("./environment.js").Environment} env
   * @param {{onchange: () => void, expired: (item: Item) => boolean}} options
   */
  constructor(env, { onchange, expired }) {
    this.#env = env;
    this.#onchange = onchange;
    this.#expired = expired;
    this.#since = env.now();
  }

  /** @returns {Entry[]} at most three, oldest first: the newest is nearest the corner */
  get shown() {
    return this.#suspended ? [] : this.entries.slice(-SHOWN_MAX);
  }

  /** How many wait behind those. */
  get more() {
    return this.#suspended ? 0 : Math.max(0, this.entries.length - SHOWN_MAX);
  }

  /** @param {string} id */
  has(id) {
    return this.entries.some(({ items }) => items.some((item) => item.id === id));
  }

  /** @param {Item} item of now; more than 5 in 10 s become one */
  add(item) {
    if (this.has(item.id) || (this.#suspended && !item.confirm)) return;
    const now = this.#env.now();
    this.#arrivals = [...this.#arrivals.filter((moment) => now - moment < BURST_MS), now];
    if (this.#arrivals.length > BURST && !item.confirm) {
      const loose = this.entries.filter(({ key, items }) => key !== SUMMARY && !items[0].confirm);
      this.#change(() => {
        this.entries = this.entries.filter((entry) => !loose.includes(entry));
        this.#summarize([...loose.flatMap(({ items }) => items), item]);
      });
    } else {
      this.#change(() => this.entries.push({ key: item.id, items: [item], left: stays(item) ? Infinity : readingTime(item) }));
    }
  }

  /** @param {Item[]} items what came while nobody looked: one summary */
  backlog(items) {
    const unknown = items.filter((item) => !this.has(item.id));
    if (unknown.length && !this.#suspended) this.#change(() => this.#summarize(unknown));
  }

  /** @param {string[]} ids read, retracted, or shown elsewhere */
  remove(ids) {
    const gone = new Set(ids);
    if (!ids.some((id) => this.has(id))) return;
    this.#change(() => {
      for (const entry of this.entries) entry.items = entry.items.filter((item) => !gone.has(item.id));
    });
  }

  /** @param {string} key */
  dismiss(key) {
    this.#change(() => { this.entries = this.entries.filter((entry) => entry.key !== key); });
  }

  /** @param {string} reason hover, focus or hidden @param {boolean} on */
  pause(reason, on) {
    if (this.#paused.has(reason) === on) return;
    this.#pass();
    if (on) this.#paused.add(reason);
    else this.#paused.delete(reason);
    this.#schedule();
  }

  /** @param {boolean} on the list is open: it shows everything, and afterwards only confirmations are still asked for */
  suspend(on) {
    if (on === this.#suspended) return;
    this.#change(() => {
      this.#suspended = on;
      if (on) this.entries = this.entries.filter(({ key, items }) => key !== SUMMARY && items[0].confirm);
    });
  }

  close() {
    this.#env.clearTimeout(this.#timer);
  }

  /** @param {Item[]} items */
  #summarize(items) {
    const old = this.entries.find(({ key }) => key === SUMMARY);
    this.entries = this.entries.filter((entry) => entry !== old);
    this.entries.push({ key: SUMMARY, items: [...(old?.items ?? []), ...items], left: LEAST_MS });
  }

  /** @param {() => void} change */
  #change(change) {
    this.#pass();
    change();
    this.entries = this.entries.filter(({ items }) => items.length);
    this.#schedule();
    this.#onchange();
  }

  get #running() {
    return !this.#paused.size && !this.#suspended;
  }

  /** Take the time that has passed from what is on the screen; what waits behind it does not age. */
  #pass() {
    const now = this.#env.now();
    // A clock set back, or a machine that slept, ages nothing by more than its timer was set to.
    const passed = Math.max(0, now - this.#since);
    this.#since = now;
    if (this.#running) for (const entry of this.shown) entry.left -= passed;
  }

  #schedule() {
    this.#env.clearTimeout(this.#timer);
    const ends = this.#running ? this.shown.map(({ left }) => left) : [];
    // Once a second is exact enough for an item's own end, of which the server tells as well.
    if (this.entries.some(({ items }) => items.some((item) => item.expires_at))) ends.push(1_000);
    const next = Math.min(...ends);
    if (next !== Infinity) this.#timer = this.#env.setTimeout(() => this.#due(), Math.max(0, next));
  }

  #due() {
    this.#pass();
    const before = this.entries.length;
    for (const entry of this.entries) entry.items = entry.items.filter((item) => !this.#expired(item));
    this.entries = this.entries.filter(({ left, items }) => left > 0 && items.length);
    this.#schedule();
    if (this.entries.length !== before) this.#onchange();
  }
}
