/** What this page knows of the user's inbox: items by id, in order, and how many are unread. */

/** @typedef {import("./protocol.js").Item} Item */

export const ITEMS_MAX = 1_000;

export class Inbox {
  /** @type {Map<string, Item>} */ #items = new Map();
  /** The server's last count. */
  #count = 0;
  /** @type {Set<string>} read here, not yet so by the server: its count still has them */ #pending = new Set();
  #now;

  /** @param {() => number} now the server's time in milliseconds */
  constructor(now = Date.now) {
    this.#now = now;
  }

  /** @returns {Item[]} oldest first */
  get items() {
    return [...this.#items.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @returns {Item[]} those to be read, oldest first */
  get unreadItems() {
    return this.items.filter((item) => !item.read_at && !this.expired(item));
  }

  get unread() {
    return Math.max(0, this.#count - this.#pending.size);
  }

  /** @param {string} id @returns {Item|undefined} */
  get(id) {
    return this.#items.get(id);
  }

  /** @param {Item} item */
  expired(item) {
    return !!item.expires_at && Date.parse(item.expires_at) <= this.#now();
  }

  /** @param {number} unread as the server counts */
  count(unread) {
    this.#count = unread;
  }

  /**
   * Keep an item, whichever way it came. What was read here stays read.
   * @param {Item} item
   * @returns {boolean} whether it is new
   */
  add(item) {
    const known = this.#items.get(item.id);
    const readAt = item.read_at ?? (this.#pending.has(item.id) ? known?.read_at ?? this.#moment() : null);
    this.#items.set(item.id, { ...item, read_at: readAt });
    if (this.#items.size > ITEMS_MAX) this.#forget();
    return !known;
  }

  /**
   * The whole truth about what is unread: what is not in it is unread no more.
   * @param {Item[]} items the newest unread, oldest first
   * @param {number} unread
   * @param {boolean} more older unread ones exist
   * @returns {{fresh: Item[], gone: string[]}} unread items not known before, and ids that were thought unread
   */
  replace(items, unread, more) {
    const ids = new Set(items.map((item) => item.id));
    const from = more && items.length ? items[0].id : "";
    const gone = this.items.filter((i) => !i.read_at && i.id >= from && !ids.has(i.id)).map((i) => i.id);
    this.#mark(gone);
    const fresh = items.filter((item) => this.add(item)).map((item) => this.get(item.id) ?? item);
    this.#count = unread;
    return { fresh: fresh.filter((item) => !item.read_at), gone };
  }

  /**
   * Read here: shown so at once, counted so until the server says.
   * @param {string[]} ids
   * @returns {string[]} those that were not read before
   */
  readHere(ids) {
    const changed = ids.filter((id) => !this.#pending.has(id) && !this.#items.get(id)?.read_at);
    for (const id of changed) this.#pending.add(id);
    this.#mark(changed);
    return changed;
  }

  /** @param {string[]} ids @param {number} [unread] read, as the server says */
  read(ids, unread = this.#count) {
    for (const id of ids) this.#pending.delete(id);
    this.#mark(ids);
    this.#count = unread;
  }

  /**
   * The server has answered for these and did not call them read: it counts without them.
   * @param {string[]} ids
   */
  release(ids) {
    for (const id of ids) this.#pending.delete(id);
  }

  /** @param {string} before the server has answered for all up to this one */
  releaseUntil(before) {
    this.release([...this.#pending].filter((id) => id <= before));
  }

  /** @param {string[]} ids @param {number} unread */
  retract(ids, unread) {
    for (const id of ids) {
      this.#pending.delete(id);
      this.#items.delete(id);
    }
    this.#count = unread;
  }

  /** @param {string[]} ids */
  #mark(ids) {
    for (const id of ids) {
      const item = this.#items.get(id);
      if (item && !item.read_at) this.#items.set(id, { ...item, read_at: this.#moment() });
    }
  }

  #moment() {
    return new Date(this.#now()).toISOString();
  }

  // A page may live for weeks; what it forgets is the oldest tenth, and `list` brings it back.
  #forget() {
    for (const { id } of this.items.slice(0, ITEMS_MAX / 10)) this.#items.delete(id);
  }
}
