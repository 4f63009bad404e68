/** One socket from its opening to its end, with the heartbeat. Knows nothing of reconnecting. */
export declare const OPEN_MS = 8000;
export declare const PROBE_MS = 5000;
export declare const GRACE_MS = 10000;
export type Handlers = {
    welcome: (frame: any) => void;
    frame: (frame: any) => void;
    closed: (end: End) => void;
};
export type End = {
    code: number;
    opened: boolean;
};
/** @typedef {{welcome: (frame: any) => void, frame: (frame: any) => void, closed: (end: End) => void}} Handlers */
/** @typedef {{code: number, opened: boolean}} End */
export declare class Connection {
    #private;
    /** Whether the handshake succeeded. */
    opened: boolean;
    welcomed: boolean;
    /** When the last frame came, in milliseconds. */
    lastFrame: number;
    /**
     * @param {import("./environment.js").Environment} env
     * @param {string} url
     * @param {string} token
     * @param {Handlers} handlers `closed` is called once, unless the connection was abandoned
     */
    constructor(env: import("./environment.js").Environment, url: string, token: string, handlers: Handlers);
    /** @param {object} frame @returns {boolean} whether the socket took it */
    send(frame: object): boolean;
    /** Ask for a sign of life; without one in 5 s, or when one was due anyhow, the connection ends. */
    probe(): void;
    /** Close without telling anyone. */
    abandon(): void;
}
