/** What the elements of one page share: the bell carries it; without a bell each has its own. */

import { NotificationsClient } from "./client.js";
import { browserEnvironment } from "./environment.js";
import { Messages } from "./messages.js";
import { sheet } from "./styles.js";

// A page in English is better than one that waits for its language any longer.
const CATALOG_MS = 2_000;

/** Dispatches `lists` when a list comes onto the screen or leaves it. */
export class Context extends EventTarget {
  /** @type {Set<object>} what shows a list now */ lists = new Set();

  /** @param {NotificationsElement} owner */
  constructor(owner) {
    super();
    this.owner = owner;
    this.environment = browserEnvironment();
    /** Where all messages are, if the page has such a place. @type {string|null} */
    this.inbox = owner.getAttribute("inbox");
    this.given = !!owner.client;
    /** @type {NotificationsClient} */
    this.client = owner.client ?? new NotificationsClient({
      url: owner.getAttribute("socket") ?? undefined,
      api: owner.getAttribute("api") ?? undefined,
      uid: owner.getAttribute("uid"),
      csrfCookie: owner.getAttribute("csrf-cookie") ?? undefined,
      getToken: owner.getToken,
      environment: this.environment,
    });
    const language = /** @type {HTMLElement|null} */ (owner.closest("[lang]"))?.lang || navigator.language;
    this.messages = new Messages(language);
    const catalog = owner.getAttribute("catalog");
    /** Settles when texts are there. */
    this.ready = catalog
      ? Promise.race([this.messages.load(catalog), new Promise((done) => setTimeout(done, CATALOG_MS))])
      : Promise.resolve();
  }

  /** @param {object} list @param {boolean} open */
  listOpen(list, open) {
    if (open) this.lists.add(list);
    else this.lists.delete(list);
    this.dispatchEvent(new Event("lists"));
  }

  /** The list, wherever it is: the bell's panel, else the page of all messages. */
  showList() {
    const bell = /** @type {any} */ (document.querySelector("notification-bell"));
    if (bell?.open) bell.open();
    else if (this.inbox) location.assign(this.inbox);
  }
}

/** The elements' common ground. */
export class NotificationsElement extends HTMLElement {
  /** @type {Context|null} */ context = null;
  #started = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    /** A client of the page's own; the page connects it. @type {NotificationsClient|undefined} */
    this.client = this.client;
    /** Gives an access token, where no session cookie does. @type {import("./api.js").GetToken|undefined} */
    this.getToken = this.getToken;
  }

  get root() {
    return /** @type {ShadowRoot} */ (this.shadowRoot);
  }

  connectedCallback() {
    // A script that places the element may still be giving it its client.
    queueMicrotask(() => this.#begin());
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (this.isConnected || !this.context) return;
      const { context } = this;
      if (this.#started) this.detach();
      this.#started = false;
      this.context = null;
      context.listOpen(this, false);
      this.root.replaceChildren();
      if (context.owner === this && !context.given) {
        context.client.disconnect();
        this.client = undefined;
      }
    });
  }

  async #begin() {
    if (!this.isConnected || this.context) return;
    const bell = /** @type {NotificationsElement|null} */ (document.querySelector("notification-bell"));
    const shared = this.client || bell === this ? null : bell?.context;
    const context = shared ?? new Context(this);
    this.context = context;
    this.client = context.client;
    this.attach(context);
    if (!shared && !context.given) context.client.connect();
    await context.ready;
    if (this.context !== context) return;
    this.#started = true;
    this.start(context);
  }

  /** Listen, at once: nothing may be missed. @param {Context} context */
  attach(context) { void context; }

  /** Draw: texts are there. @param {Context} context */
  start(context) { void context; }

  /** Stop listening. */
  detach() {}
}
