/** `NotificationsClient`: the user's inbox, live, without any user interface. */
import { Preferences } from "./preferences.js";
export type Item = import("./protocol.js").Item;
/** @typedef {import("./protocol.js").Item} Item */
export declare const ANSWER_MS = 15000;
export declare const POLL_MS = 60000;
export declare const RETRY_MS = 5000;
/** What the server said of a request, or `disconnected` or `timeout`. */
export declare class RequestFailed extends Error {
    code: string;
    /** @param {string} code @param {string} message */
    constructor(code: string, message?: string);
}
export type ClientOptions = {
    /**
     * of the socket, "/ws/notifications/" by default
     */
    url?: string;
    /**
     * of the HTTP API, "/api/notifications/" by default
     */
    api?: string;
    /**
     * left out, the page's session cookie gets the token
     */
    getToken?: import("./api.js").GetToken;
    /**
     * "csrftoken" by default
     */
    csrfCookie?: string;
    /**
     * whose page this is; another user's token closes the client
     */
    uid?: string | null;
    /**
     * for tests
     */
    environment?: import("./environment.js").Environment;
};
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
export declare class NotificationsClient extends EventTarget {
    #private;
    /** @type {string|null} */ uid: string | null;
    /** What the user has chosen. @type {Preferences} */ preferences: Preferences;
    /** @param {ClientOptions} options */
    constructor({ url, api, getToken, csrfCookie, uid, environment }?: ClientOptions);
    /** @returns {import("./link.js").State} */
    get state(): import("./link.js").State;
    /** Why it is `closed`: `signed_out`, `too_many_connections`, `protocol_violation`, `stopped`; else null. */
    get reason(): string | null;
    /** How many items are unread, those read here but not yet answered for left out. */
    get unread(): number;
    /** @returns {Item[]} the unread items that are known here, oldest first; `list` pages through all */
    get items(): Item[];
    /** Reads that the server has not answered for yet. */
    get queued(): number;
    /** @param {string} id @returns {Item|undefined} */
    item(id: string): Item | undefined;
    /** @param {Item} item whether its time is over, by the server's clock */
    expired(item: Item): boolean;
    /** The server's time in milliseconds. */
    now(): number;
    connect(): void;
    disconnect(): void;
    /** Try at once, whatever the state. */
    retryNow(): void;
    /**
     * A page of the inbox, newest first; by HTTP while there is no socket.
     * @param {import("./protocol.js").ListQuery} query
     * @returns {Promise<import("./protocol.js").Page>}
     */
    list(query?: import("./protocol.js").ListQuery): Promise<import("./protocol.js").Page>;
    /**
     * These are read: shown so at once, kept until the server has answered. Items that need a confirmation are only read
     * by `confirm`.
     * @param {string[]} ids
     * @param {{via?: "popup"|"list"}} [how]
     */
    read(ids: string[], { via }?: {
        via?: "popup" | "list";
    }): void;
    /**
     * The user has confirmed this item.
     * @param {string} id
     * @param {{via?: "popup"|"list"}} [how]
     */
    confirm(id: string, { via }?: {
        via?: "popup" | "list";
    }): void;
    /** @param {string} before the newest id that the user has seen: it and all older ones are read */
    readAll(before: string): void;
}
