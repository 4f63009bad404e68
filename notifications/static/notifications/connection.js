/** One socket from its opening to its end, with the heartbeat. Knows nothing of reconnecting. */

import { frames, parse, subprotocols } from "./protocol.js";

export const OPEN_MS = 8_000; // to open, and again from there to `welcome`
export const PROBE_MS = 5_000;
export const GRACE_MS = 10_000; // the watchdog's, beyond the server's interval
const DEFAULT_INTERVAL_MS = 25_000;
// A watchdog that fires so late was asleep with its machine: what came in meanwhile is still waiting to be read.
const LATE_MS = 5_000;

/** @typedef {{welcome: (frame: any) => void, frame: (frame: any) => void, closed: (end: End) => void}} Handlers */
/** @typedef {{code: number, opened: boolean}} End */

export class Connection {
  /** Whether the handshake succeeded. */
  opened = false;
  welcomed = false;
  /** When the last frame came, in milliseconds. */
  lastFrame = 0;
  #env;
  #socket;
  /** @type {Handlers|null} */ #handlers;
  #interval = DEFAULT_INTERVAL_MS;
  /** @type {any} */ #watchdog = null;
  /** When the watchdog fires. */ #due = 0;
  /** @type {any} */ #pinger = null;

  /**
   * @param {import("./environment.js").Environment} env
   * @param {string} url
   * @param {string} token
   * @param {Handlers} handlers `closed` is called once, unless the connection was abandoned
   */
  constructor(env, url, token, handlers) {
    this.#env = env;
    this.#handlers = handlers;
    const socket = new env.WebSocket(url, subprotocols(token));
    this.#socket = socket;
    this.#within(OPEN_MS);
    socket.onopen = () => {
      this.opened = true;
      this.#within(OPEN_MS);
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#end(event.code);
  }

  /** @param {object} frame @returns {boolean} whether the socket took it */
  send(frame) {
    if (this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Ask for a sign of life; without one in 5 s, or when one was due anyhow, the connection ends. */
  probe() {
    if (!this.send(frames.ping())) return this.#drop();
    const left = this.#due - this.#env.now();
    // Asking again and again gives a dead connection no more time.
    if (left <= 0 || left > PROBE_MS) this.#within(PROBE_MS);
  }

  /** Close without telling anyone. */
  abandon() {
    this.#handlers = null;
    this.#drop();
  }

  /** @param {unknown} data */
  #receive(data) {
    this.lastFrame = this.#env.now();
    const frame = parse(data);
    if (frame?.type === "welcome" && !this.welcomed) {
      this.welcomed = true;
      this.#interval = frame.heartbeat?.interval * 1000 || DEFAULT_INTERVAL_MS;
      this.#ping();
    }
    if (this.welcomed) this.#within(this.#interval + GRACE_MS);
    if (!frame || frame.type === "pong") return;
    if (frame.type === "ping") this.send(frames.pong(frame.ref));
    else if (frame.type === "welcome") this.#handlers?.welcome(frame);
    else this.#handlers?.frame(frame);
  }

  // Hidden pages only answer the server's pings: their own timers run once a minute at best.
  #ping() {
    this.#pinger = this.#env.setTimeout(() => {
      if (!this.#env.hidden) this.send(frames.ping());
      this.#ping();
    }, this.#interval);
  }

  /** @param {number} ms until which something must have come in */
  #within(ms) {
    this.#due = this.#env.now() + ms;
    this.#env.clearTimeout(this.#watchdog);
    this.#watchdog = this.#env.setTimeout(() => {
      if (this.welcomed && this.#env.now() - this.#due > LATE_MS) this.probe();
      else this.#drop();
    }, ms);
  }

  #drop() {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // On a dead network the closing handshake never ends; nobody waits for it.
    socket.close(1000);
    this.#end(1006);
  }

  /** @param {number} code */
  #end(code) {
    this.#env.clearTimeout(this.#watchdog);
    this.#env.clearTimeout(this.#pinger);
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.closed({ code, opened: this.opened });
  }
}
