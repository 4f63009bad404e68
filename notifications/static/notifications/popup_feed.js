/** From the client's events to the queue: what pops up in this tab, what waits, and what does not. */

import { PopupMemory } from "./popup_memory.js";
import { PopupQueue, stays } from "./popup_queue.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./protocol.js").Item} Item */

const QUIET_MS = 30_000; // how often the end of quiet hours is looked for
export const NOBODY_MS = 500; // no tab has shown it: the user is elsewhere
// On the screen for less, on a page that went on to the next, nobody can have seen it.
export const SEEN_MS = 2_000;

export class PopupFeed {
  /** @type {PopupQueue} */ queue;
  #client;
  #env;
  #onarrival;
  /** @type {PopupMemory} */ #memory;
  /** @type {Tabs} */ #tabs;
  /** @type {Item[]} came while this page was hidden, or in quiet hours */ #waiting = [];
  /** @type {any[]} */ #seeing = [];
  /** @type {any} */ #waking = null;
  #first = true;
  #listOpen = false;
  #abort = new AbortController();
  /** @type {() => void} */ #unlisten;

  /**
   * @param {import("./client.js").NotificationsClient} client whose uid is known
   * @param {import("./environment.js").Environment} env
   * @param {{onchange: () => void, onarrival?: (item: Item) => void}} options
   *   `onchange`: the queue shows something else; `onarrival`: a live item popped up here, or came while no page was in front
   */
  constructor(client, env, { onchange, onarrival = () => {} }) {
    this.#client = client;
    this.#env = env;
    this.#onarrival = onarrival;
    const uid = client.uid ?? "";
    this.#memory = new PopupMemory(env.storage, uid);
    this.queue = new PopupQueue(env, { onchange, expired: (item) => client.expired(item) });
    this.#tabs = new Tabs(env, uid, {
      showing: (id) => this.queue.has(id),
      taken: (id) => {
        this.queue.remove([id]);
        this.#waiting = this.#waiting.filter((item) => item.id !== id);
      },
    });
    /** @param {string} type @param {(detail: any) => void} run */
    const on = (type, run) => client.addEventListener(type, (event) => run(/** @type {CustomEvent} */ (event).detail),
      { signal: this.#abort.signal });
    on("notification", ({ item }) => this.#live(item));
    on("inbox", ({ items, fresh }) => this.#replayed(items, fresh));
    on("read", ({ ids }) => this.queue.remove(ids));
    on("retracted", ({ ids }) => this.queue.remove(ids));
    client.preferences.addEventListener("change", () => {
      this.queue.remove(this.queue.entries.flatMap(({ items }) => items.filter((item) => !this.#wanted(item)).map(({ id }) => id)));
      this.#shown();
    }, { signal: this.#abort.signal });
    client.preferences.follow();
    this.#unlisten = env.on("visibilitychange", () => this.#shown());
    this.queue.pause("hidden", env.hidden);
    if (client.items.length) this.#replayed(client.items, []);
  }

  /** @param {boolean} open whether a list is on the screen */
  listOpen(open) {
    this.#listOpen = open;
    this.queue.suspend(open);
  }

  /** The user puts a popup away: its items stay unread. @param {string} key */
  putAway(key) {
    const entry = this.queue.entries.find((each) => each.key === key);
    if (entry) this.#memory.putAway(entry.items.map((item) => item.id));
    this.queue.dismiss(key);
  }

  close() {
    this.#env.clearTimeout(this.#waking);
    for (const timer of this.#seeing) this.#env.clearTimeout(timer);
    this.#abort.abort();
    this.#unlisten();
    this.#tabs.close();
    this.queue.close();
  }

  get #quiet() {
    return this.#client.preferences.quiet(this.#client.now());
  }

  /** Whether what comes has to wait: nobody looks, or nobody wants to. */
  get #away() {
    return this.#env.hidden || this.#quiet;
  }

  /** @param {Item[]} items */
  #wait(...items) {
    this.#waiting.push(...items.filter((item) => !this.#waiting.includes(item)));
    if (this.#quiet) {
      this.#env.clearTimeout(this.#waking);
      this.#waking = this.#env.setTimeout(() => this.#shown(), QUIET_MS);
    }
  }

  /** @param {Item} item Only `display: popup` pops up; `banner` and `list` items are in the list. */
  #wanted(item) {
    return item.display === "popup" && !item.read_at && !this.#client.expired(item) && !this.#memory.isPutAway(item.id)
      && !this.#client.preferences.muted(item.kind);
  }

  /** @param {Item} item */
  #still(item) {
    const now = this.#client.item(item.id);
    return !!now && this.#wanted(now);
  }

  /** @param {Item} item */
  #live(item) {
    if (!this.#wanted(item)) return;
    if (!this.#away) this.#pop(item, true);
    else {
      this.#wait(item);
      if (this.#quiet) return;
      // A tab that is in front takes it meanwhile.
      this.#env.setTimeout(() => {
        if (this.#env.hidden && this.#waiting.includes(item)) this.#onarrival(item);
      }, NOBODY_MS);
    }
  }

  /** @param {Item[]} items all that is unread @param {Item[]} fresh those that this page did not know */
  #replayed(items, fresh) {
    const { seen } = this.#memory;
    const isNew = (/** @type {Item} */ item) => (this.#first ? item.id > seen : fresh.includes(item));
    const wanted = items.filter((item) => this.#wanted(item) && !this.queue.has(item.id));
    // On a new page what had to stay comes back; on an old one it is there, or was put away.
    const back = wanted.filter((item) => (item.confirm ? this.#first || isNew(item) : this.#first && stays(item) && !isNew(item)));
    const rest = wanted.filter((item) => isNew(item) && !back.includes(item));
    this.#first = false;
    for (const item of back) this.#pop(item, false, true);
    if (rest.length === 1) this.#pop(rest[0]);
    else if (rest.length) this.#summarize(rest);
  }

  /** @param {Item[]} items */
  async #summarize(items) {
    const newest = items[items.length - 1].id;
    if (this.#away) {
      this.#wait(...items);
    } else if (!this.#listOpen && (await this.#tabs.claim(newest))) {
      this.#seeSoon(newest);
      this.queue.backlog(items.filter((item) => this.#still(item)));
    }
  }

  /** @param {Item} item @param {boolean} live @param {boolean} again it may have been on the screen before */
  async #pop(item, live = false, again = false) {
    if (this.#away) {
      this.#wait(item);
      return;
    }
    // Seen in the list, it does not pop up later; a confirmation is asked for once the list is closed.
    if (this.#listOpen && !item.confirm) this.#memory.see(item.id);
    else if ((await this.#tabs.claim(item.id, again)) && this.#still(item)) {
      this.#seeSoon(item.id);
      this.queue.add(item);
      if (live) this.#onarrival(item);
    }
  }

  /** @param {string} id on the screen now */
  #seeSoon(id) {
    this.#seeing.push(this.#env.setTimeout(() => this.#memory.see(id), SEEN_MS));
  }

  #shown() {
    this.queue.pause("hidden", this.#env.hidden);
    if (this.#away) {
      this.#wait();
      return;
    }
    const waiting = this.#waiting.filter((item) => this.#still(item));
    this.#waiting = [];
    const [asking, rest] = [waiting.filter((item) => item.confirm), waiting.filter((item) => !item.confirm)];
    for (const item of asking) this.#pop(item);
    if (rest.length > 3) this.#summarize(rest);
    else for (const item of rest) this.#pop(item);
  }
}
