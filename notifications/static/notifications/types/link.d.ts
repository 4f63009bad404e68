/** Keeps one connection open as long as it should be: attempts, back-off, waking, and when to give up. */
export type State = "idle" | "connecting" | "connected" | "reconnecting" | "offline" | "closed";
/** @typedef {"idle"|"connecting"|"connected"|"reconnecting"|"offline"|"closed"} State */
export declare const STABLE_MS = 30000;
export declare const TOKEN_MS = 8000;
export declare const UNREACHABLE_AFTER = 3;
/** The session is over: no token to be had. */
export declare class SignedOut extends Error {
}
export type LinkOptions = {
    url: string;
    /**
     * a fresh access token; rejects with `SignedOut` when there is none to be had
     */
    token: () => Promise<string>;
    onstate: (state: State, reason: string | null) => void;
    /**
     * called before the state changes
     */
    onwelcome: (frame: any) => void;
    onframe: (frame: any) => void;
    /**
     * after each attempt that never opened, from the third in a row on
     */
    onunreachable: () => void;
};
/**
 * @typedef {object} LinkOptions
 * @property {string} url
 * @property {() => Promise<string>} token a fresh access token; rejects with `SignedOut` when there is none to be had
 * @property {(state: State, reason: string|null) => void} onstate
 * @property {(frame: any) => void} onwelcome called before the state changes
 * @property {(frame: any) => void} onframe
 * @property {() => void} onunreachable after each attempt that never opened, from the third in a row on
 */
export declare class Link {
    #private;
    /** @type {State} */ state: State;
    /** @type {string|null} why it is closed */ reason: string | null;
    /** @param {import("./environment.js").Environment} env @param {LinkOptions} options */
    constructor(env: import("./environment.js").Environment, options: LinkOptions);
    start(): void;
    stop(): void;
    /** @param {string} reason stop for good: nothing but `start` or `retryNow` begins again */
    close(reason: string): void;
    /** The user's own wish: whatever the state, try at once. */
    retryNow(): void;
    /** @param {object} frame @returns {boolean} */
    send(frame: object): boolean;
    /** The one answer to every sign that the page or the network is back. */
    wake(): void;
}
