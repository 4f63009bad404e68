/** `NotificationsClient`: the user's inbox, live, without any user interface. */

import { Api } from "./api.js";
import { browserEnvironment } from "./environment.js";
import { Inbox } from "./inbox.js";
import { Link, SignedOut } from "./link.js";
import { Preferences } from "./preferences.js";
import { frames } from "./protocol.js";
import { Reads } from "./reads.js";

/** @typedef {import("./protocol.js").Item} Item */

export const ANSWER_MS = 15_000;
export const POLL_MS = 60_000; // the badge by HTTP, while no socket can be had
export const RETRY_MS = 5_000; // reads that the server could not take

/** What the server said of a request, or `disconnected` or `timeout`. */
export class RequestFailed extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message = code) {
    super(message);
    this.code = code;
  }
}

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] of the socket, "/ws/notifications/" by default
 * @property {string} [api] of the HTTP API, "/api/notifications/" by default
 * @property {import("./api.js").GetToken} [getToken] left out, the page's session cookie gets the token
 * @property {string} [csrfCookie] "csrftoken" by default
 * @property {string|null} [uid] whose page this is; another user's token closes the client
 * @property {import("./environment.js").Environment} [environment] for tests
 */

/**
 * Events, all `CustomEvent`s; the `detail` is in brackets: `state` {state, reason}, `notification` {item},
 * `inbox` {items, fresh, unread, more}, `read` {ids}, `retracted` {ids}, `unread` {unread}, `error` {code, message}.
 */
export class NotificationsClient extends EventTarget {
  /** @type {string|null} */ uid;
  /** What the user has chosen. @type {Preferences} */ preferences;
  #env;
  #api;
  #link;
  #inbox;
  #reads;
  /** Server's clock minus ours, milliseconds. */ #offset = 0;
  #ref = 0;
  /** @type {Map<number, {resolve: (frame: any) => void, reject: (error: Error) => void, timer: any}>} */
  #requests = new Map();
  /** @type {Set<string>} batches of reads under way */ #sending = new Set();
  /** @type {any} */ #retry = null;
  /** @type {any} */ #poll = null;
  /** @type {(() => void)|null} */ #listening = null;
  #announced = 0;

  /** @param {ClientOptions} options */
  constructor({ url = "/ws/notifications/", api = "/api/notifications/", getToken, csrfCookie, uid = null, environment } = {}) {
    super();
    const env = environment ?? browserEnvironment();
    this.#env = env;
    this.uid = uid;
    this.#api = new Api(env, { base: api, getToken, csrfCookie });
    this.#inbox = new Inbox(() => this.now());
    this.#reads = new Reads(env.storage);
    this.preferences = new Preferences(env, this.#api);
    this.#link = new Link(env, {
      url: new URL(url, env.base).href.replace(/^http/, "ws"),
      token: () => this.#api.token(),
      onstate: (state, reason) => this.#state(state, reason),
      onwelcome: (frame) => this.#welcome(frame),
      onframe: (frame) => this.#frame(frame),
      onunreachable: () => { if (this.#poll === null) this.#ask(); },
    });
    if (uid !== null) this.#adopt(uid);
  }

  /** @returns {import("./link.js").State} */
  get state() { return this.#link.state; }

  /** Why it is `closed`: `signed_out`, `too_many_connections`, `protocol_violation`, `stopped`; else null. */
  get reason() { return this.#link.reason; }

  /** How many items are unread, those read here but not yet answered for left out. */
  get unread() { return this.#inbox.unread; }

  /** @returns {Item[]} the unread items that are known here, oldest first; `list` pages through all */
  get items() { return this.#inbox.unreadItems; }

  /** Reads that the server has not answered for yet. */
  get queued() { return this.#reads.entries.length; }

  /** @param {string} id @returns {Item|undefined} */
  item(id) { return this.#inbox.get(id); }

  /** @param {Item} item whether its time is over, by the server's clock */
  expired(item) { return this.#inbox.expired(item); }

  /** The server's time in milliseconds. */
  now() { return this.#env.now() + this.#offset; }

  connect() {
    this.#listening ??= this.#env.on("pagehide", () => this.#leave());
    this.#link.start();
  }

  disconnect() {
    this.#listening?.();
    this.#listening = null;
    this.#link.stop();
  }

  /** Try at once, whatever the state. */
  retryNow() {
    this.#listening ??= this.#env.on("pagehide", () => this.#leave());
    this.#link.retryNow();
  }

  /**
   * A page of the inbox, newest first; by HTTP while there is no socket.
   * @param {import("./protocol.js").ListQuery} query
   * @returns {Promise<import("./protocol.js").Page>}
   */
  async list(query = {}) {
    let page;
    if (this.state === "connected") {
      page = await this.#request(frames.list(query));
    } else {
      page = await this.#http(() => this.#api.list(query));
      this.#countByHttp(page.unread);
    }
    for (const item of page.items) this.#inbox.add(item);
    return { items: page.items.map((/** @type {Item} */ item) => this.#inbox.get(item.id) ?? item), next: page.next };
  }

  /**
   * These are read: shown so at once, kept until the server has answered. Items that need a confirmation are only read
   * by `confirm`.
   * @param {string[]} ids
   * @param {{via?: "popup"|"list"}} [how]
   */
  read(ids, { via = "list" } = {}) {
    this.#readHere(ids.filter((id) => !this.#inbox.get(id)?.confirm), via, false);
  }

  /**
   * The user has confirmed this item.
   * @param {string} id
   * @param {{via?: "popup"|"list"}} [how]
   */
  confirm(id, { via = "popup" } = {}) {
    this.#readHere([id], via, true);
  }

  /** @param {string} before the newest id that the user has seen: it and all older ones are read */
  readAll(before) {
    const ids = this.items.filter((item) => item.id <= before && !item.confirm).map((item) => item.id);
    this.#reads.add([{ before }]);
    this.#changed(this.#inbox.readHere(ids));
    this.#flush();
  }

  /** @param {string[]} ids @param {"popup"|"list"} via @param {boolean} confirm */
  #readHere(ids, via, confirm) {
    const changed = this.#inbox.readHere(ids);
    this.#reads.add(changed.map((id) => ({ id, via, confirm })));
    this.#changed(changed);
    this.#flush();
  }

  /** @param {string[]} ids */
  #changed(ids) {
    if (ids.length) this.#emit("read", { ids });
    this.#tellUnread();
  }

  // --- what the server says

  /** @param {string} uid */
  #adopt(uid) {
    this.uid = uid;
    this.#reads.adopt(uid);
    this.preferences.adopt(uid);
    // Those of another tab or an earlier page as well: the user has read them.
    this.#inbox.readHere(this.#reads.entries.flatMap((entry) => ("id" in entry ? [entry.id] : [])));
  }

  /** @param {any} frame */
  #welcome(frame) {
    this.#offset = Date.parse(frame.server_time) - this.#env.now() || 0;
    if (this.uid !== null && this.uid !== frame.uid) {
      this.#link.close("signed_out"); // the session belongs to someone else now
      return;
    }
    this.#adopt(frame.uid);
    this.#count(frame.unread);
  }

  /** @param {any} frame */
  #frame(frame) {
    const request = this.#requests.get(frame.ref);
    if (frame.type === "notification") this.#notification(frame);
    else if (frame.type === "inbox") this.#resync(frame);
    else if (frame.type === "read") this.#read(frame.ids, frame.unread);
    else if (frame.type === "retracted") {
      this.#inbox.retract(frame.ids, frame.unread);
      this.#emit("retracted", { ids: frame.ids });
      this.#tellUnread();
    } else if (frame.type === "token_expiring") this.#renew();
    else if (frame.type === "error") {
      request?.reject(new RequestFailed(frame.code, frame.message));
      if (!request) this.#emit("error", { code: frame.code, message: frame.message });
      return;
    }
    request?.resolve(frame);
  }

  /** @param {any} frame */
  #notification({ type, unread, ...item }) {
    const fresh = this.#inbox.add({ type, ...item });
    this.#count(unread);
    const kept = this.#inbox.get(item.id);
    if (fresh && kept) this.#emit("notification", { item: kept });
  }

  /** @param {any} frame */
  #resync({ items, unread, more }) {
    const { fresh, gone } = this.#inbox.replace(items, unread, more);
    if (gone.length) this.#emit("read", { ids: gone });
    this.#tellUnread();
    this.#emit("inbox", { items: this.items, fresh, unread: this.unread, more });
    this.preferences.heard();
    this.#flush();
  }

  /** @param {string[]} ids @param {number} [unread] */
  #read(ids, unread) {
    this.#inbox.read(ids, unread);
    this.#emit("read", { ids });
    this.#tellUnread();
  }

  async #renew() {
    try {
      await this.#request(frames.auth(await this.#api.token()));
    } catch (error) {
      // Any other failure shows itself by 4201, and the next attempt begins with a token.
      if (error instanceof SignedOut) this.#link.close("signed_out");
    }
  }

  // --- what we ask

  /** @param {object} frame @returns {Promise<any>} the answer with the same `ref` */
  #request(frame) {
    const ref = ++this.#ref;
    return new Promise((resolve, reject) => {
      const timer = this.#env.setTimeout(() => done(reject)(new RequestFailed("timeout")), ANSWER_MS);
      const done = (/** @type {(value: any) => void} */ settle) => (/** @type {any} */ value) => {
        this.#env.clearTimeout(timer);
        this.#requests.delete(ref);
        settle(value);
      };
      this.#requests.set(ref, { resolve: done(resolve), reject: done(reject), timer });
      if (!this.#link.send({ ...frame, ref })) this.#requests.get(ref)?.reject(new RequestFailed("disconnected"));
    });
  }

  /** Send the reads that wait. `byHttp`: there is no socket to be had. */
  #flush(byHttp = false) {
    if (this.state !== "connected" && !byHttp) return;
    for (const batch of this.#reads.batches()) this.#send(batch, byHttp);
  }

  /** @param {import("./reads.js").Batch} batch @param {boolean} byHttp */
  async #send(batch, byHttp) {
    const name = JSON.stringify(batch);
    if (this.#sending.has(name)) return;
    this.#sending.add(name);
    try {
      if (byHttp) {
        const answer = await this.#http(() => this.#api.read(batch));
        this.#read(answer.ids, this.state === "connected" ? undefined : answer.unread);
      } else if ("before" in batch) {
        await this.#request(frames.readAll(batch.before));
      } else {
        await this.#request(frames.read(batch.ids, batch.via, batch.confirm));
      }
      this.#answered(batch);
    } catch (error) {
      const { code, status } = /** @type {any} */ (error);
      // Repeating what is wrong would never end.
      if (code === "invalid_frame" || status === 400) this.#answered(batch);
      else if (code !== "disconnected" && this.state === "connected") this.#later();
    } finally {
      this.#sending.delete(name);
    }
  }

  /** @param {import("./reads.js").Batch} batch */
  #answered(batch) {
    this.#reads.settle(batch);
    if ("ids" in batch) this.#inbox.release(batch.ids);
    else this.#inbox.releaseUntil(batch.before);
    this.#tellUnread();
  }

  #later() {
    this.#env.clearTimeout(this.#retry);
    this.#retry = this.#env.setTimeout(() => this.#flush(), RETRY_MS);
  }

  // The page may never come back. Storage keeps the reads all the same: repeating them is harmless.
  #leave() {
    for (const batch of this.#reads.batches().slice(0, 5)) this.#api.read(batch, true).catch(() => {});
  }

  // --- without a socket

  // A browser cannot see why a handshake failed; the HTTP API tells.
  async #ask() {
    this.#poll = this.#env.setTimeout(() => this.#ask(), POLL_MS);
    try {
      this.#countByHttp((await this.#http(() => this.#api.unread())).unread);
      this.#flush(true);
    } catch {
      // As unreachable as the socket: the attempts go on.
    }
  }

  /** @template T @param {() => Promise<T>} call @returns {Promise<T>} */
  async #http(call) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof SignedOut && this.state !== "connected") this.#link.close("signed_out");
      throw error;
    }
  }

  /** @param {import("./link.js").State} state @param {string|null} reason */
  #state(state, reason) {
    if (state !== "reconnecting") {
      this.#env.clearTimeout(this.#poll);
      this.#poll = null;
    }
    if (state !== "connected") {
      for (const { reject } of [...this.#requests.values()]) reject(new RequestFailed("disconnected"));
    }
    this.#emit("state", { state, reason });
    this.#flush();
  }

  /** @param {number} unread older than what a socket that has opened meanwhile has said */
  #countByHttp(unread) {
    if (this.state !== "connected") this.#count(unread);
  }

  /** @param {number} unread */
  #count(unread) {
    this.#inbox.count(unread);
    this.#tellUnread();
  }

  #tellUnread() {
    if (this.unread === this.#announced) return;
    this.#announced = this.unread;
    this.#emit("unread", { unread: this.unread });
  }

  /** @param {string} type @param {object} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
