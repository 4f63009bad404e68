/** What the client needs of a browser, in one object, so that tests can give it a fake clock, socket and storage. */
export type Environment = {
    WebSocket: typeof WebSocket;
    fetch: typeof fetch;
    storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
    /**
     * milliseconds of the wall clock: it goes on while a machine sleeps
     */
    now: () => number;
    random: () => number;
    setTimeout: (run: () => void, ms: number) => any;
    clearTimeout: (timer: any) => void;
    /**
     * address that relative ones are resolved against
     */
    base: string;
    hidden: boolean;
    focused: boolean;
    online: boolean;
    cookies: () => string;
    /**
     * a page event; gives how to stop listening
     */
    on: (name: string, run: (event: any) => void) => () => void;
    channel: (name: string) => BroadcastChannel | null;
};
/** @returns {Environment} */
export declare function browserEnvironment(): Environment;
