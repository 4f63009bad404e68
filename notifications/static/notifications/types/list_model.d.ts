/** The rows of a list: pages of the inbox, kept current by what the client hears. */
export type Item = import("./protocol.js").Item;
export type Filter = {
    unread: boolean;
    kind: string | null;
};
/** @typedef {import("./protocol.js").Item} Item */
/** @typedef {{unread: boolean, kind: string|null}} Filter */
/** Dispatches `change` whenever anything below differs. */
export declare class ListModel extends EventTarget {
    #private;
    /** @type {Item[]} newest first */ rows: Item[];
    /** @type {Item[]} came while the reader was further down, newest first */ held: Item[];
    /** @type {"idle"|"loading"|"ready"|"failed"} */ status: "idle" | "loading" | "ready" | "failed";
    /** @type {Filter} */ filter: Filter;
    /** Whether older ones are to be had. */
    get more(): boolean;
    /** @param {import("./client.js").NotificationsClient} client @param {number} limit rows a page */
    constructor(client: import("./client.js").NotificationsClient, limit?: number);
    close(): void;
    /** The newest id that the reader has before them: how far "mark all read" goes. */
    get newest(): string;
    /** The first page anew. */
    load(): Promise<void>;
    /** The next page; harmless while one is under way. */
    loadMore(): Promise<void>;
    /** What has failed, again. */
    retry(): Promise<void>;
    /** @param {Partial<Filter>} filter */
    show(filter: Partial<Filter>): Promise<void>;
    /** @param {boolean} on the reader is further down: what comes is held back so that nothing moves */
    hold(on: boolean): void;
    /** Bring in what was held back. */
    release(): void;
}
