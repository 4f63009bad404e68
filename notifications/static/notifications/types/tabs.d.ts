/** One popup and one sound per browser: the tabs of a user agree on who shows an item. No tab leads the others. */
export declare const WAIT_MS = 120;
export declare const FOCUSED_WAIT_MS = 40;
export declare class Tabs {
    #private;
    /**
     * @param {import("./environment.js").Environment} env
     * @param {string} name of the user's channel
     * @param {{showing: (id: string) => boolean, taken: (id: string) => void}} options
     *   whether this tab shows it now; another tab shows it, so take it away here
     */
    constructor(env: import("./environment.js").Environment, name: string, options: {
        showing: (id: string) => boolean;
        taken: (id: string) => void;
    });
    close(): void;
    /**
     * @param {string} id what this tab would show
     * @param {boolean} again it may have been shown before, by a page that is gone or a tab that is hidden now
     * @returns {Promise<boolean>} whether it is this tab's to show
     */
    claim(id: string, again?: boolean): Promise<boolean>;
}
