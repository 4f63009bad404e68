/** The rows of a list: pages of the inbox, kept current by what the client hears. */

/** @typedef {import("./protocol.js").Item} Item */
/** @typedef {{unread: boolean, kind: string|null}} Filter */

/** Dispatches `change` whenever anything below differs. */
export class ListModel extends EventTarget {
  /** @type {Item[]} newest first */ rows = [];
  /** @type {Item[]} came while the reader was further down, newest first */ held = [];
  /** @type {"idle"|"loading"|"ready"|"failed"} */ status = "idle";
  /** @type {Filter} */ filter = { unread: false, kind: null };
  /** Whether older ones are to be had. */
  get more() { return this.#next !== null; }
  #client;
  #limit;
  /** @type {string|null} */ #next = null;
  /** Counts loads: the answer to an older one is dropped. */ #load = 0;
  #holding = false;
  /** @type {Set<string>} came since the first page was asked for */ #came = new Set();
  #abort = new AbortController();

  /** @param {import("./client.js").NotificationsClient} client @param {number} limit rows a page */
  constructor(client, limit = 20) {
    super();
    this.#client = client;
    this.#limit = limit;
    /** @param {string} type @param {(detail: any) => void} run */
    const on = (type, run) => client.addEventListener(type, (event) => {
      if (this.status === "idle") return;
      run(/** @type {CustomEvent} */ (event).detail);
      this.#changed();
    }, { signal: this.#abort.signal });
    on("notification", ({ item }) => this.#arrive([item]));
    on("inbox", ({ fresh, more }) => {
      if (more && fresh.length) this.load(); // longer away than a replay tells of
      else this.#arrive(fresh);
    });
    on("read", ({ ids }) => this.#refresh(ids));
    on("retracted", ({ ids }) => {
      this.rows = this.rows.filter((item) => !ids.includes(item.id));
      this.held = this.held.filter((item) => !ids.includes(item.id));
    });
    on("state", ({ state }) => { if (state === "connected" && this.status === "failed") this.load(); });
  }

  close() {
    this.#abort.abort();
  }

  /** The newest id that the reader has before them: how far "mark all read" goes. */
  get newest() {
    return this.rows[0]?.id ?? null;
  }

  /** The first page anew. */
  async load() {
    const load = ++this.#load;
    this.#next = null;
    this.#came.clear();
    this.status = "loading";
    this.#changed();
    await this.#page(load, undefined);
  }

  /** The next page; harmless while one is under way. */
  async loadMore() {
    if (this.status !== "ready" || this.#next === null) return;
    this.status = "loading";
    this.#changed();
    await this.#page(++this.#load, this.#next);
  }

  /** What has failed, again. */
  retry() {
    if (this.#next === null) return this.load();
    this.status = "ready";
    return this.loadMore();
  }

  /** @param {Partial<Filter>} filter */
  show(filter) {
    this.filter = { ...this.filter, ...filter };
    this.rows = [];
    this.held = [];
    return this.load();
  }

  /** @param {boolean} on the reader is further down: what comes is held back so that nothing moves */
  hold(on) {
    this.#holding = on;
    if (!on && this.held.length) this.release();
  }

  /** Bring in what was held back. */
  release() {
    this.#merge(this.held);
    this.held = [];
    this.#changed();
  }

  /** @param {number} load @param {string|undefined} before */
  async #page(load, before) {
    try {
      const page = await this.#client.list({ before, limit: this.#limit, unread: this.filter.unread || undefined, kind: this.filter.kind });
      if (load !== this.#load) return;
      // What came by push meanwhile may be missing in the answer, whatever its place.
      const from = page.items[0]?.id ?? "";
      if (before === undefined) this.rows = this.rows.filter(({ id }) => id > from || this.#came.has(id));
      this.#merge(page.items);
      this.#next = page.next;
      this.status = "ready";
    } catch {
      if (load !== this.#load) return;
      this.#next = before ?? null;
      this.status = "failed";
      // Offline the reader still has what the client knows.
      this.#merge(this.#client.items.filter((item) => !this.filter.kind || item.kind === this.filter.kind));
    }
    this.#changed();
  }

  /** @param {Item[]} items */
  #arrive(items) {
    const { unread, kind } = this.filter;
    for (const { id } of items) this.#came.add(id);
    const known = new Set([...this.rows, ...this.held].map((item) => item.id));
    const wanted = items.filter((item) => !known.has(item.id) && (!kind || item.kind === kind) && !(unread && item.read_at));
    if (this.#holding) this.held = [...wanted, ...this.held].sort(newestFirst);
    else this.#merge(wanted);
  }

  // In "unread" as well a row stays when it is read: nothing vanishes under the pointer.
  /** @param {string[]} ids */
  #refresh(ids) {
    const changed = new Set(ids);
    this.rows = this.rows.map((item) => (changed.has(item.id) ? this.#client.item(item.id) ?? item : item));
  }

  /** @param {Item[]} items */
  #merge(items) {
    const byId = new Map([...this.rows, ...items].map((item) => [item.id, item]));
    this.rows = [...byId.values()].sort(newestFirst);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {Item} a @param {Item} b */
const newestFirst = (a, b) => (a.id < b.id ? 1 : -1);
