/** What of a user's popups this browser has had, so that a new page does not show them again. */
export type Kept = {
    seen: string;
    away: string[];
};
/** @typedef {{seen: string, away: string[]}} Kept `seen`: the newest id that has popped up */
export declare class PopupMemory {
    #private;
    /** @param {Pick<Storage, "getItem"|"setItem">} storage @param {string} uid */
    constructor(storage: Pick<Storage, "getItem" | "setItem">, uid: string);
    /** The newest id that has popped up, "" for none. */
    get seen(): string;
    /** @param {string} id put away by the user: it does not come back by itself */
    isPutAway(id: string): boolean;
    /** @param {string} id has popped up */
    see(id: string): void;
    /** @param {string[]} ids */
    putAway(ids: string[]): void;
}
