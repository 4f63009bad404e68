/** Keeps one connection open as long as it should be: attempts, back-off, waking, and when to give up. */

import { CAP_HIDDEN_MS, CAP_VISIBLE_MS, backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import { afterClose, stopReason } from "./protocol.js";

/** @typedef {"idle"|"connecting"|"connected"|"reconnecting"|"offline"|"closed"} State */

export const STABLE_MS = 30_000; // connected so long, the back-off begins anew
export const TOKEN_MS = 8_000;
export const UNREACHABLE_AFTER = 3;
const YOUNG_MS = 3_000; // a connecting socket younger than this is kept on waking
const OLD_MS = 5_000; // a last frame older than this is doubted on waking
const APART_MS = 1_000; // waking starts no two attempts within this
const AT_ONCE_MS = 5_000; // a node that says 42xx sooner after `welcome` is backed off from

/** The session is over: no token to be had. */
export class SignedOut extends Error {}

/**
 * @typedef {object} LinkOptions
 * @property {string} url
 * @property {() => Promise<string>} token a fresh access token; rejects with `SignedOut` when there is none to be had
 * @property {(state: State, reason: string|null) => void} onstate
 * @property {(frame: any) => void} onwelcome called before the state changes
 * @property {(frame: any) => void} onframe
 * @property {() => void} onunreachable after each attempt that never opened, from the third in a row on
 */

export class Link {
  /** @type {State} */ state = "idle";
  /** @type {string|null} why it is closed */ reason = null;
  #env;
  #options;
  /** @type {Connection|null} */ #connection = null;
  /** Counts attempts: a token that arrives for an older one is dropped. */
  #attempt = 0;
  /** @type {any} the next attempt's timer, or the token's */ #timer = null;
  #fetching = false;
  #began = 0;
  #welcomed = 0;
  #failures = 0;
  #unopened = 0;
  /** @type {(() => void)[]} */ #listening = [];

  /** @param {import("./environment.js").Environment} env @param {LinkOptions} options */
  constructor(env, options) {
    this.#env = env;
    this.#options = options;
  }

  start() {
    if (this.state !== "idle" && this.state !== "closed") return;
    this.#listen();
    this.#failures = this.#unopened = 0;
    this.state = "idle";
    if (this.#env.online) this.#connect();
    else this.#set("offline");
  }

  stop() {
    this.#halt("idle", null);
  }

  /** @param {string} reason stop for good: nothing but `start` or `retryNow` begins again */
  close(reason) {
    this.#halt("closed", reason);
  }

  /** The user's own wish: whatever the state, try at once. */
  retryNow() {
    if (this.state === "idle" || this.state === "closed") this.start();
    else if (this.state !== "connected") this.#connect();
    else this.#connection?.probe();
  }

  /** @param {object} frame @returns {boolean} */
  send(frame) {
    return this.state === "connected" && !!this.#connection?.send(frame);
  }

  /** The one answer to every sign that the page or the network is back. */
  wake() {
    if (this.state === "idle" || this.state === "closed") return;
    if (!this.#env.online) return this.#goOffline();
    const connection = this.#connection;
    if (connection?.welcomed) {
      if (!this.#younger(connection.lastFrame, OLD_MS)) connection.probe();
    } else if (connection || this.#fetching) {
      if (!this.#younger(this.#began, YOUNG_MS)) this.#connect();
    } else if (this.state === "offline" || !this.#younger(this.#began, APART_MS)) {
      this.#connect();
    }
  }

  /** @param {number} moment @param {number} ms A clock set back makes everything old. */
  #younger(moment, ms) {
    const age = this.#env.now() - moment;
    return age >= 0 && age < ms;
  }

  #listen() {
    if (this.#listening.length) return;
    const wake = () => this.wake();
    const on = this.#env.on;
    this.#listening = [
      on("online", wake),
      on("resume", wake),
      on("focus", wake),
      on("visibilitychange", () => this.#env.hidden || this.wake()),
      on("pageshow", (event) => event.persisted && this.wake()),
      on("offline", () => this.#goOffline()),
      // An open socket keeps a page out of the back-forward cache, and a cached page must hold none.
      on("pagehide", () => {
        if (this.state === "idle" || this.state === "closed") return;
        this.#clear();
        this.#began = 0;
        this.#set("reconnecting");
      }),
    ];
  }

  #goOffline() {
    if (this.state === "idle" || this.state === "closed") return;
    this.#clear();
    this.#set("offline");
  }

  /** @param {State} state @param {string|null} reason */
  #halt(state, reason) {
    this.#clear();
    for (const stop of this.#listening) stop();
    this.#listening = [];
    this.#set(state, reason);
  }

  #clear() {
    this.#attempt += 1;
    this.#fetching = false;
    this.#env.clearTimeout(this.#timer);
    this.#connection?.abandon();
    this.#connection = null;
  }

  async #connect() {
    this.#clear();
    const attempt = this.#attempt;
    this.#began = this.#env.now();
    this.#set(this.state === "idle" ? "connecting" : "reconnecting");
    this.#fetching = true;
    this.#timer = this.#env.setTimeout(() => {
      this.#attempt += 1;
      this.#ended({ code: 1006, opened: false });
    }, TOKEN_MS);
    let token;
    try {
      token = await this.#options.token();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof SignedOut) this.close("signed_out");
      else this.#ended({ code: 1006, opened: false });
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#fetching = false;
    this.#env.clearTimeout(this.#timer);
    this.#connection = new Connection(this.#env, this.#options.url, token, {
      welcome: (frame) => {
        this.#welcomed = this.#env.now();
        this.#unopened = 0;
        this.#options.onwelcome(frame);
        if (this.#connection) this.#set("connected");
      },
      frame: (frame) => this.#options.onframe(frame),
      closed: (end) => this.#ended(end),
    });
  }

  /** @param {import("./connection.js").End} end */
  #ended({ code, opened }) {
    const lasted = this.#connection?.welcomed ? this.#env.now() - this.#welcomed : 0;
    this.#env.clearTimeout(this.#timer);
    this.#connection = null;
    this.#fetching = false;
    const action = afterClose(code);
    if (action === "stop") return this.close(stopReason(code));
    if (!this.#env.online) return this.#goOffline();
    this.#unopened = opened ? 0 : this.#unopened + 1;
    if (lasted >= STABLE_MS) this.#failures = 0;
    const cap = this.#env.hidden ? CAP_HIDDEN_MS : CAP_VISIBLE_MS;
    const atOnce = action === "at_once" && lasted >= AT_ONCE_MS;
    const delay = atOnce ? 0 : backoff(this.#failures, cap, this.#env.random);
    if (!atOnce) this.#failures += 1;
    this.#timer = this.#env.setTimeout(() => this.#connect(), delay);
    this.#set("reconnecting");
    if (this.#unopened >= UNREACHABLE_AFTER) this.#options.onunreachable();
  }

  /** @param {State} state @param {string|null} reason */
  #set(state, reason = null) {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.#options.onstate(state, reason);
  }
}
