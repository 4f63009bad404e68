/** What popups show and for how long: the rules, without a screen. */
export type Item = import("./protocol.js").Item;
export type Entry = {
    key: string;
    items: Item[];
    left: number;
};
/** @typedef {import("./protocol.js").Item} Item */
/**
 * One popup: an item of its own, or a summary of several.
 * @typedef {{key: string, items: Item[], left: number}} Entry `left`: milliseconds to go, Infinity for what stays
 */
export declare const SHOWN_MAX = 3;
export declare const LEAST_MS = 8000;
export declare const MOST_MS = 30000;
export declare const BURST = 5;
export declare const BURST_MS = 10000;
/** @param {Item} item whether it stays until the user puts it away */
export declare const stays: (item: Item) => boolean;
/**
 * 8 s, or longer for longer text: 3 s to notice it, then 15 Latin or 5 Chinese characters a second.
 * @param {Item} item
 */
export declare function readingTime({ title, body }: Item): number;
export declare class PopupQueue {
    #private;
    /** @type {Entry[]} oldest first */ entries: Entry[];
    /**
     * @param {import("./environment.js").Environment} env
     * @param {{onchange: () => void, expired: (item: Item) => boolean}} options
     */
    constructor(env: import("./environment.js").Environment, { onchange, expired }: {
        onchange: () => void;
        expired: (item: Item) => boolean;
    });
    /** @returns {Entry[]} at most three, oldest first: the newest is nearest the corner */
    get shown(): Entry[];
    /** How many wait behind those. */
    get more(): number;
    /** @param {string} id */
    has(id: string): boolean;
    /** @param {Item} item of now; more than 5 in 10 s become one */
    add(item: Item): void;
    /** @param {Item[]} items what came while nobody looked: one summary */
    backlog(items: Item[]): void;
    /** @param {string[]} ids read, retracted, or shown elsewhere */
    remove(ids: string[]): void;
    /** @param {string} key */
    dismiss(key: string): void;
    /** @param {string} reason hover, focus or hidden @param {boolean} on */
    pause(reason: string, on: boolean): void;
    /** @param {boolean} on the list is open: it shows everything, and afterwards only confirmations are still asked for */
    suspend(on: boolean): void;
    close(): void;
}
