/** What the client needs of a browser, in one object, so that tests can give it a fake clock, socket and storage. */

/**
 * @typedef {object} Environment
 * @property {typeof WebSocket} WebSocket
 * @property {typeof fetch} fetch
 * @property {Pick<Storage, "getItem"|"setItem"|"removeItem">} storage
 * @property {() => number} now milliseconds of the wall clock: it goes on while a machine sleeps
 * @property {() => number} random
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {string} base address that relative ones are resolved against
 * @property {boolean} hidden
 * @property {boolean} focused
 * @property {boolean} online
 * @property {() => string} cookies
 * @property {(name: string, run: (event: any) => void) => () => void} on a page event; gives how to stop listening
 * @property {(name: string) => BroadcastChannel|null} channel
 */

// Those of `document`; the rest are events of `window`.
const DOCUMENT_EVENTS = new Set(["visibilitychange", "resume"]);

/** @returns {Environment} */
export function browserEnvironment() {
  return {
    WebSocket: globalThis.WebSocket,
    fetch: (...args) => globalThis.fetch(...args),
    storage: storage(),
    now: () => Date.now(),
    random: Math.random,
    setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    base: location.href,
    get hidden() { return document.visibilityState === "hidden"; },
    get focused() { return document.hasFocus(); },
    get online() { return navigator.onLine !== false; },
    cookies: () => document.cookie,
    on(name, run) {
      const target = DOCUMENT_EVENTS.has(name) ? document : window;
      target.addEventListener(name, run);
      return () => target.removeEventListener(name, run);
    },
    channel: (name) => (globalThis.BroadcastChannel ? new BroadcastChannel(name) : null),
  };
}

function storage() {
  try {
    return globalThis.localStorage;
  } catch {
    // Denied by the user's settings: as long as the page lives will have to do.
    /** @type {Map<string, string>} */ const values = new Map();
    return {
      getItem: (/** @type {string} */ key) => values.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => void values.set(key, value),
      removeItem: (/** @type {string} */ key) => void values.delete(key),
    };
  }
}
