/** One popup and one sound per browser: the tabs of a user agree on who shows an item. No tab leads the others. */

export const WAIT_MS = 120; // for a better placed tab to say so
export const FOCUSED_WAIT_MS = 40; // there should be no better one
const KEPT_MAX = 500;

export class Tabs {
  #env;
  #channel;
  #id;
  /** @type {Set<string>} shown by some tab */ #shown = new Set();
  /** @type {Map<string, boolean>} what we want to show, and whether another will */ #claims = new Map();
  #options;

  /**
   * @param {import("./environment.js").Environment} env
   * @param {string} name of the user's channel
   * @param {{showing: (id: string) => boolean, taken: (id: string) => void}} options
   *   whether this tab shows it now; another tab shows it, so take it away here
   */
  constructor(env, name, options) {
    this.#env = env;
    this.#options = options;
    this.#id = env.random();
    this.#channel = env.channel(`notifications.${name}`);
    if (this.#channel) this.#channel.onmessage = (event) => this.#hear(event.data);
  }

  close() {
    this.#channel?.close();
  }

  /** The better placed tab shows it: the focused one, else a visible one. A hidden one only where none is visible. */
  get #rank() {
    if (this.#env.hidden) return 0;
    return this.#env.focused ? 2 : 1;
  }

  /**
   * @param {string} id what this tab would show
   * @param {boolean} again it may have been shown before, by a page that is gone or a tab that is hidden now
   * @returns {Promise<boolean>} whether it is this tab's to show
   */
  async claim(id, again = false) {
    if (!again && this.#shown.has(id)) return false;
    if (!this.#channel) return true;
    this.#claims.set(id, true);
    this.#post("claim", id);
    const wait = this.#rank === 2 && !again ? FOCUSED_WAIT_MS : WAIT_MS;
    await new Promise((done) => this.#env.setTimeout(() => done(null), wait));
    const mine = this.#claims.get(id) === true;
    this.#claims.delete(id);
    if (mine) {
      this.#remember(id);
      this.#post("shown", id);
    }
    return mine;
  }

  /** @param {string} kind @param {string} id */
  #post(kind, id) {
    this.#channel?.postMessage({ kind, id, rank: this.#rank, tab: this.#id });
  }

  /** @param {any} message */
  #hear({ kind, id, rank, tab }) {
    const mine = this.#rank;
    const better = rank > mine || (rank === mine && tab > this.#id);
    if (kind === "shown") {
      // Of two that show it at once one must stay: the same one by both their reckonings.
      if (this.#options.showing(id) && !better) return this.#post("shown", id);
      this.#remember(id);
      if (this.#claims.has(id)) this.#claims.set(id, false);
      this.#options.taken(id);
      return;
    }
    if (this.#options.showing(id) && mine > 0) this.#post("shown", id);
    else if (this.#claims.has(id)) {
      if (better) this.#claims.set(id, false);
      // Who asks later must hear of us.
      else this.#post("claim", id);
    }
  }

  /** @param {string} id */
  #remember(id) {
    this.#shown.add(id);
    if (this.#shown.size > KEPT_MAX) this.#shown.delete(/** @type {string} */ (this.#shown.values().next().value));
  }
}
