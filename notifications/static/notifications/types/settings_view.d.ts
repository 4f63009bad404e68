/** What the user may choose, beside the list: kept on the server but for what belongs to this browser. */
export type Values = import("./preferences.js").Values;
export declare class SettingsView {
    #private;
    /** @type {HTMLElement} */ element: HTMLElement;
    /** @param {import("./context.js").Context} context */
    constructor(context: import("./context.js").Context);
    /** @param {boolean} open */
    show(open: boolean): Promise<void>;
}
