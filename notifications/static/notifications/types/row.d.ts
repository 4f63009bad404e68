/** One row of a list: dot, title, time, body of three lines, actions. */
export type Item = import("./protocol.js").Item;
/** @typedef {import("./protocol.js").Item} Item */
export declare class Row {
    #private;
    expander: any;
    /** @type {HTMLElement} */
    element: HTMLElement;
    /** @param {Item} item @param {import("./context.js").Context} context */
    constructor(item: Item, context: import("./context.js").Context);
    /** @param {Item} item the same one, as it is now */
    update(item: Item): void;
}
