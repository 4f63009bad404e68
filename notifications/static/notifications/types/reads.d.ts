/** Reads are never lost: each is kept, across pages and tabs of one user, until the server has answered for it. */
export type Entry = {
    id: string;
    via: "popup" | "list";
    confirm: boolean;
} | {
    before: string;
};
export type Batch = {
    ids: string[];
    via: "popup" | "list";
    confirm: boolean;
} | {
    before: string;
};
export declare class Reads {
    #private;
    /** @param {Pick<Storage, "getItem"|"setItem"|"removeItem">} storage */
    constructor(storage: Pick<Storage, "getItem" | "setItem" | "removeItem">);
    /** @param {string} uid whose reads these are; what was kept for nobody yet becomes theirs */
    adopt(uid: string): void;
    /** @returns {Entry[]} */
    get entries(): Entry[];
    /** @param {Entry[]} entries */
    add(entries: Entry[]): void;
    /** @param {Batch} batch which the server has answered */
    settle(batch: Batch): void;
    /** @returns {Batch[]} what to send: at most 200 ids a frame, and of several "up to here" the furthest */
    batches(): Batch[];
}
