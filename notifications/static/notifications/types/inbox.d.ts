/** What this page knows of the user's inbox: items by id, in order, and how many are unread. */
export type Item = import("./protocol.js").Item;
/** @typedef {import("./protocol.js").Item} Item */
export declare const ITEMS_MAX = 1000;
export declare class Inbox {
    #private;
    /** @param {() => number} now the server's time in milliseconds */
    constructor(now?: () => number);
    /** @returns {Item[]} oldest first */
    get items(): Item[];
    /** @returns {Item[]} those to be read, oldest first */
    get unreadItems(): Item[];
    get unread(): number;
    /** @param {string} id @returns {Item|undefined} */
    get(id: string): Item | undefined;
    /** @param {Item} item */
    expired(item: Item): boolean;
    /** @param {number} unread as the server counts */
    count(unread: number): void;
    /**
     * Keep an item, whichever way it came. What was read here stays read.
     * @param {Item} item
     * @returns {boolean} whether it is new
     */
    add(item: Item): boolean;
    /**
     * The whole truth about what is unread: what is not in it is unread no more.
     * @param {Item[]} items the newest unread, oldest first
     * @param {number} unread
     * @param {boolean} more older unread ones exist
     * @returns {{fresh: Item[], gone: string[]}} unread items not known before, and ids that were thought unread
     */
    replace(items: Item[], unread: number, more: boolean): {
        fresh: Item[];
        gone: string[];
    };
    /**
     * Read here: shown so at once, counted so until the server says.
     * @param {string[]} ids
     * @returns {string[]} those that were not read before
     */
    readHere(ids: string[]): string[];
    /** @param {string[]} ids @param {number} [unread] read, as the server says */
    read(ids: string[], unread?: number): void;
    /**
     * The server has answered for these and did not call them read: it counts without them.
     * @param {string[]} ids
     */
    release(ids: string[]): void;
    /** @param {string} before the server has answered for all up to this one */
    releaseUntil(before: string): void;
    /** @param {string[]} ids @param {number} unread */
    retract(ids: string[], unread: number): void;
}
