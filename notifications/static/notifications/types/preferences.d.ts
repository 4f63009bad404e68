/** What the user has chosen, kept on the server and followed by every page: quiet hours, sound, kinds that do not pop up. */
export type QuietHours = {
    from: string;
    to: string;
    time_zone: string;
};
export type Values = {
    quiet_hours: QuietHours | null;
    sound: boolean | null;
    muted_kinds: string[];
};
export type WithKinds = Values & {
    kinds: {
        kind: string;
        name: string;
    }[];
};
/** @typedef {{from: string, to: string, time_zone: string}} QuietHours `HH:MM` in that time zone */
/** @typedef {{quiet_hours: QuietHours|null, sound: boolean|null, muted_kinds: string[]}} Values */
/** @typedef {Values & {kinds: {kind: string, name: string}[]}} WithKinds */
export declare const SPREAD_MS = 3000;
/** Dispatches `change`. */
export declare class Preferences extends EventTarget {
    #private;
    /** @type {Values} as last heard */ values: Values;
    /** @param {import("./environment.js").Environment} env @param {import("./api.js").Api} api */
    constructor(env: import("./environment.js").Environment, api: import("./api.js").Api);
    /** @param {string} uid whose they are; until the server has answered, what it said to an earlier page holds */
    adopt(uid: string): void;
    /** From the first `inbox` on keep them current; a client that shows nothing never asks. */
    follow(): void;
    /** The server has sent the inbox, as it does after each connection and each change of preferences. */
    heard(): void;
    /** @returns {Promise<WithKinds>} with the kinds that there are to choose from; rejects as HTTP does */
    load(): Promise<WithKinds>;
    /** @param {Partial<Values>} change @returns {Promise<void>} rejects as HTTP does, and then they are as before */
    save(change: Partial<Values>): Promise<void>;
    /** @param {string} kind whether its items do not pop up */
    muted(kind: string): boolean;
    /** @param {number} now whether nothing is to pop up or sound at this moment */
    quiet(now: number): boolean;
}
