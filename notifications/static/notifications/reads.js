/** Reads are never lost: each is kept, across pages and tabs of one user, until the server has answered for it. */

import { READ_IDS_MAX } from "./protocol.js";

/** @typedef {{id: string, via: "popup"|"list", confirm: boolean}|{before: string}} Entry */
/** @typedef {{ids: string[], via: "popup"|"list", confirm: boolean}|{before: string}} Batch */

const KEPT_MAX = 2_000;

export class Reads {
  #storage;
  /** @type {string|null} */ #key = null;
  /** @type {Entry[]} while the uid is unknown, or storage is full */ #memory = [];

  /** @param {Pick<Storage, "getItem"|"setItem"|"removeItem">} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /** @param {string} uid whose reads these are; what was kept for nobody yet becomes theirs */
  adopt(uid) {
    const key = `notifications.reads.${uid}`;
    if (key === this.#key) return;
    const waiting = this.#key === null ? this.entries : [];
    this.#key = key;
    this.#memory = [];
    this.add(waiting);
  }

  /** @returns {Entry[]} */
  get entries() {
    try {
      if (!this.#key) return this.#memory;
      const kept = JSON.parse(this.#storage.getItem(this.#key) ?? "[]");
      return [...(Array.isArray(kept) ? kept.filter((e) => typeof (e?.id ?? e?.before) === "string") : []), ...this.#memory];
    } catch {
      return this.#memory;
    }
  }

  /** @param {Entry[]} entries */
  add(entries) {
    if (!entries.length) return;
    const keys = new Set(entries.map(keyOf));
    this.#write([...this.entries.filter((entry) => !keys.has(keyOf(entry))), ...entries].slice(-KEPT_MAX));
  }

  /** @param {Batch} batch which the server has answered */
  settle(batch) {
    const keys = new Set(entriesOf(batch).map(keyOf));
    this.#write(this.entries.filter((entry) => !keys.has(keyOf(entry))));
  }

  /** @returns {Batch[]} what to send: at most 200 ids a frame, and of several "up to here" the furthest */
  batches() {
    /** @type {Map<string, any>} */ const groups = new Map();
    let before = "";
    for (const entry of this.entries) {
      if ("before" in entry) {
        if (entry.before > before) before = entry.before;
        continue;
      }
      const { id, via, confirm } = entry;
      const name = `${via} ${confirm}`;
      const group = groups.get(name) ?? { ids: [], via: via === "popup" ? "popup" : "list", confirm: !!confirm };
      group.ids.push(id);
      groups.set(name, group);
    }
    const batches = [...groups.values()].flatMap(({ ids, ...rest }) =>
      Array.from({ length: Math.ceil(ids.length / READ_IDS_MAX) }, (_, n) => ({
        ids: ids.slice(n * READ_IDS_MAX, (n + 1) * READ_IDS_MAX), ...rest,
      })));
    return before ? [...batches, { before }] : batches;
  }

  /** @param {Entry[]} entries */
  #write(entries) {
    this.#memory = [];
    try {
      if (!this.#key) throw new Error("whose?");
      if (entries.length) this.#storage.setItem(this.#key, JSON.stringify(entries));
      else this.#storage.removeItem(this.#key);
    } catch {
      // Full, or nobody's yet: this page still sends them. What storage has already is not kept twice.
      const stored = new Set(this.entries.map(keyOf));
      this.#memory = entries.filter((entry) => !stored.has(keyOf(entry)));
    }
  }
}

/** @param {Entry} entry A confirmation is more than a read of the same item. */
const keyOf = (entry) => ("before" in entry ? "before " : `${entry.id} ${!!entry.confirm} `) + ("before" in entry ? entry.before : "");

/** @param {Batch} batch @returns {Entry[]} */
function entriesOf(batch) {
  if ("before" in batch) return [batch];
  return batch.ids.map((id) => ({ id, via: batch.via, confirm: batch.confirm }));
}
