/** A list on the screen, in the bell's panel and on the page of all messages alike. */
import { ListModel } from "./list_model.js";
export declare class ListView {
    #private;
    /** @type {HTMLElement} */ element: HTMLElement;
    /** @type {ListModel} */ model: ListModel;
    /**
     * @param {import("./context.js").Context} context
     * @param {{limit: number, heading: string, tools?: Node|null, scrolls?: boolean}} options `scrolls`: within its own frame
     */
    constructor(context: import("./context.js").Context, { limit, heading, tools, scrolls }: {
        limit: number;
        heading: string;
        tools?: Node | null;
        scrolls?: boolean;
    });
    /** Load, unless it is loaded, and keep the times right. */
    open(): void;
    /** Out of sight: nothing is drawn until it is opened again. */
    rest(): void;
    close(): void;
    draw(): void;
}
