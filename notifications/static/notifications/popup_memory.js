/** What of a user's popups this browser has had, so that a new page does not show them again. */

const PUT_AWAY_MAX = 200;

/** @typedef {{seen: string, away: string[]}} Kept `seen`: the newest id that has popped up */

export class PopupMemory {
  #storage;
  #key;

  /** @param {Pick<Storage, "getItem"|"setItem">} storage @param {string} uid */
  constructor(storage, uid) {
    this.#storage = storage;
    this.#key = `notifications.popups.${uid}`;
  }

  /** The newest id that has popped up, "" for none. */
  get seen() {
    return this.#kept.seen;
  }

  /** @param {string} id put away by the user: it does not come back by itself */
  isPutAway(id) {
    return this.#kept.away.includes(id);
  }

  /** @param {string} id has popped up */
  see(id) {
    const kept = this.#kept;
    if (id > kept.seen) this.#keep({ ...kept, seen: id });
  }

  /** @param {string[]} ids */
  putAway(ids) {
    const { seen, away } = this.#kept;
    this.#keep({ seen, away: [...away.filter((id) => !ids.includes(id)), ...ids].slice(-PUT_AWAY_MAX) });
  }

  /** @returns {Kept} */
  get #kept() {
    try {
      const { seen, away } = JSON.parse(this.#storage.getItem(this.#key) ?? "{}");
      return { seen: typeof seen === "string" ? seen : "", away: Array.isArray(away) ? away : [] };
    } catch {
      return { seen: "", away: [] };
    }
  }

  /** @param {Kept} kept */
  #keep(kept) {
    try {
      this.#storage.setItem(this.#key, JSON.stringify(kept));
    } catch {
      // Full: at worst a popup comes again.
    }
  }
}
