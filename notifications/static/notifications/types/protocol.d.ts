/** The wire format without I/O: docs/protocol.md in code. */
export type Item = {
    /**
     * UUIDv7; ids of one inbox sort by time
     */
    id: string;
    audience: "user" | "everyone";
    kind: string;
    level: "info" | "success" | "warning" | "error";
    /**
     * plain text
     */
    title: string;
    /**
     * plain text
     */
    body: string;
    url: string | null;
    data: Record<string, unknown>;
    ref: string | null;
    display: "popup" | "list" | "banner";
    confirm: boolean;
    created_at: string;
    expires_at: string | null;
    read_at: string | null;
    live: boolean;
};
export type Frame = {
    type: string;
    ref?: string | number;
    [field: string]: any;
};
export type ListQuery = {
    before?: string | null;
    limit?: number;
    unread?: boolean;
    kind?: string | null;
};
export type Page = {
    items: Item[];
    next: string | null;
};
/**
 * @typedef {object} Item
 * @property {string} id UUIDv7; ids of one inbox sort by time
 * @property {"user"|"everyone"} audience
 * @property {string} kind
 * @property {"info"|"success"|"warning"|"error"} level
 * @property {string} title plain text
 * @property {string} body plain text
 * @property {string|null} url
 * @property {Record<string, unknown>} data
 * @property {string|null} ref
 * @property {"popup"|"list"|"banner"} display
 * @property {boolean} confirm
 * @property {string} created_at
 * @property {string|null} expires_at
 * @property {string|null} read_at
 * @property {boolean} live
 */
/** @typedef {{type: string, ref?: string|number, [field: string]: any}} Frame */
/** @typedef {{before?: string|null, limit?: number, unread?: boolean, kind?: string|null}} ListQuery */
/** @typedef {{items: Item[], next: string|null}} Page */
export declare const SUBPROTOCOL = "notifications.v1";
export declare const READ_IDS_MAX = 200;
/** @param {string} token @returns {string[]} what to offer when opening: no log prints a subprotocol */
export declare const subprotocols: (token: string) => string[];
/**
 * What a close code tells the client to do; its range is the instruction.
 * @param {number} code
 * @returns {"stop"|"back_off"|"at_once"}
 */
export declare function afterClose(code: number): "stop" | "back_off" | "at_once";
/**
 * @param {number} code of the range 4000-4099
 * @returns {"signed_out"|"too_many_connections"|"protocol_violation"|"stopped"}
 */
export declare function stopReason(code: number): "signed_out" | "too_many_connections" | "protocol_violation" | "stopped";
/**
 * A frame of the server; null for anything else, which is ignored.
 * @param {unknown} text
 * @returns {Frame|null}
 */
export declare function parse(text: unknown): Frame | null;
/** The frames a client sends. `undefined` fields are left out by JSON. */
export declare const frames: {
    /** @param {number} [ref] */
    ping: (ref?: number) => {
        type: string;
        ref: number | undefined;
    };
    /** @param {string|number} [ref] */
    pong: (ref?: string | number) => {
        type: string;
        ref: string | number | undefined;
    };
    /** @param {string[]} ids @param {"popup"|"list"} via @param {boolean} confirm */
    read: (ids: string[], via?: "popup" | "list", confirm?: boolean) => {
        type: string;
        ids: string[];
        via: "list" | "popup";
        confirm: boolean;
    };
    /** @param {string} before the newest id that was seen */
    readAll: (before: string) => {
        type: string;
        before: string;
    };
    /** @param {ListQuery} query */
    list: ({ before, limit, unread, kind }: ListQuery) => {
        type: string;
        before: string | undefined;
        limit: number | undefined;
        unread: boolean | undefined;
        kind: string | undefined;
    };
    /** @param {string} token */
    auth: (token: string) => {
        type: string;
        token: string;
    };
};
/**
 * The address of an item as it may go into a link: a path or http(s), else null. The server checks the same; a page
 * must not depend on it.
 * @param {string|null} url
 * @returns {string|null}
 */
export declare function safeUrl(url: string | null): string | null;
