/** What of a user's popups this browser has had, so that a new page does not show them again. */

const PUT_AWAY_MAX = 200;

export class PopupMemory {
  #storage;
  #key;

  /** @param {Pick<Storage, "getItem"|"setItem">|null} storage @param {string} uid */
  constructor(storage, uid) {
    this.#storage = storage;
    this.#key = `notifications.popups.${uid}`;
  }

  /** The newest id that has popped up. */
  get seen() {
    return this.#load().seen;
  }

  /** @param {string} id put away by the user: it does not come back by itself */
  isPutAway(id) {
    return this.#load().away.includes(id);
  }

  /** @param {string} id has popped up */
  see(id) {
    const kept = this.#load();
    if (id > kept.seen) this.#keep({ ...kept, seen: id });
  }

  /** @param {string[]} ids */
  putAway(ids) {
    const kept = this.#load();
    this.#keep({ ...kept, away: [...kept.away.filter((id) => !ids.includes(id)), ...ids].slice(-PUT_AWAY_MAX) });
  }

  /** @type {{seen: string, away: string[]}} where storage is denied */ #memory = { seen: "", away: [] };

  /** @returns {{seen: string, away: string[]}} */
  #load() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? "null") ?? this.#memory;
      return { seen: String(kept.seen ?? ""), away: Array.isArray(kept.away) ? kept.away : [] };
    } catch {
      return this.#memory;
    }
  }

  /** @param {{seen: string, away: string[]}} kept */
  #keep(kept) {
    this.#memory = kept;
    try {
      this.#storage?.setItem(this.#key, JSON.stringify(kept));
    } catch {
      // Full: at worst a popup comes again.
    }
  }
}
