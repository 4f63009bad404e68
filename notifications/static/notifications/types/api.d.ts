/** The HTTP API: tokens for a cookie session, and the inbox where no socket can be had. */
export type GetToken = () => Promise<string | {
    access: string;
} | null> | string | {
    access: string;
} | null;
/**
 * What a page gives to be known: a function that gives an access token, or nothing where its session cookie says who
 * it is. A function that gives null says that the user is signed out.
 * @typedef {() => Promise<string|{access: string}|null>|string|{access: string}|null} GetToken
 */
export declare class Api {
    #private;
    /**
     * @param {import("./environment.js").Environment} env
     * @param {{base: string, getToken?: GetToken, csrfCookie?: string}} options
     */
    constructor(env: import("./environment.js").Environment, { base, getToken, csrfCookie }: {
        base: string;
        getToken?: GetToken;
        csrfCookie?: string;
    });
    /** @returns {Promise<string>} a fresh access token; rejects with `SignedOut` when there is none to be had */
    token(): Promise<string>;
    /** @returns {Promise<{unread: number}>} */
    unread(): Promise<{
        unread: number;
    }>;
    /** @param {import("./protocol.js").ListQuery} query @returns {Promise<any>} */
    list({ before, limit, unread, kind }: import("./protocol.js").ListQuery): Promise<any>;
    /**
     * @param {object} body `{ids, via, confirm}` or `{before}`
     * @param {boolean} leaving the page is going away: the browser finishes the request without it
     * @returns {Promise<{ids: string[], unread: number}>}
     */
    read(body: object, leaving?: boolean): Promise<{
        ids: string[];
        unread: number;
    }>;
    /** @param {boolean} kinds with those that there are @returns {Promise<any>} what the user has chosen */
    preferences(kinds?: boolean): Promise<any>;
    /** @param {object} values @returns {Promise<any>} as they are now */
    putPreferences(values: object): Promise<any>;
}
