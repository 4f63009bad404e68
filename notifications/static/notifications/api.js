/** The HTTP API: tokens for a cookie session, and the inbox where no socket can be had. */

import { SignedOut } from "./link.js";

// The browser gives up after minutes; nobody waits so long.
const ANSWER_MS = 10_000;

/**
 * What a page gives to be known: a function that gives an access token, or nothing where its session cookie says who
 * it is. A function that gives null says that the user is signed out.
 * @typedef {() => Promise<string|{access: string}|null>|string|{access: string}|null} GetToken
 */

export class Api {
  #env;
  #base;
  #getToken;
  #csrfCookie;
  /** @type {string|null} the newest token of `getToken` */ #token = null;

  /**
   * @param {import("./environment.js").Environment} env
   * @param {{base: string, getToken?: GetToken, csrfCookie?: string}} options
   */
  constructor(env, { base, getToken, csrfCookie = "csrftoken" }) {
    this.#env = env;
    this.#base = new URL(base, env.base).href;
    this.#getToken = getToken;
    this.#csrfCookie = csrfCookie;
  }

  /** @returns {Promise<string>} a fresh access token; rejects with `SignedOut` when there is none to be had */
  async token() {
    const given = await (this.#getToken ? this.#getToken() : this.#ask("token/", { method: "POST" }));
    const token = typeof given === "string" ? given : given?.access;
    if (!token) throw new SignedOut("no access token");
    this.#token = token;
    return token;
  }

  /** @returns {Promise<{unread: number}>} */
  unread() {
    return this.#ask("unread/");
  }

  /** @param {import("./protocol.js").ListQuery} query @returns {Promise<any>} */
  list({ before, limit, unread, kind }) {
    const query = new URLSearchParams();
    if (before) query.set("before", before);
    if (limit) query.set("limit", String(limit));
    if (unread) query.set("unread", "true");
    if (kind) query.set("kind", kind);
    return this.#ask(`?${query}`);
  }

  /**
   * @param {object} body `{ids, via, confirm}` or `{before}`
   * @param {boolean} leaving the page is going away: the browser finishes the request without it
   * @returns {Promise<{ids: string[], unread: number}>}
   */
  read(body, leaving = false) {
    return this.#ask("read/", { method: "POST", body: JSON.stringify(body), keepalive: leaving });
  }

  /** @param {boolean} kinds with those that there are @returns {Promise<any>} what the user has chosen */
  preferences(kinds = true) {
    return this.#ask(kinds ? "preferences/?kinds=true" : "preferences/");
  }

  /** @param {object} values @returns {Promise<any>} as they are now */
  putPreferences(values) {
    return this.#ask("preferences/", { method: "PUT", body: JSON.stringify(values) });
  }

  /** @param {string} path @param {RequestInit} init @returns {Promise<any>} */
  async #ask(path, init = {}) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (init.body) headers["Content-Type"] = "application/json";
    if (this.#getToken) {
      if (!this.#token) await this.token();
      headers.Authorization = `Bearer ${this.#token}`;
    } else if (init.method) {
      headers["X-CSRFToken"] = this.#cookie(this.#csrfCookie);
    }
    const abort = new AbortController();
    const timer = this.#env.setTimeout(() => abort.abort(), ANSWER_MS);
    try {
      const answer = await this.#env.fetch(this.#base + path, {
        ...init,
        headers,
        credentials: this.#getToken ? "omit" : "same-origin",
        signal: init.keepalive ? undefined : abort.signal,
        cache: "no-store",
      });
      if (answer.status === 401) {
        // A token function may know a newer one: the next call asks it.
        this.#token = null;
        throw new SignedOut("401");
      }
      if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
      return await answer.json();
    } finally {
      this.#env.clearTimeout(timer);
    }
  }

  /** @param {string} name */
  #cookie(name) {
    const found = this.#env.cookies().split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }
}
