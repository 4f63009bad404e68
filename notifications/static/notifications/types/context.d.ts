/** What the elements of one page share: the bell carries it; without a bell each has its own. */
import { NotificationsClient } from "./client.js";
import { Messages } from "./messages.js";
/** Dispatches `lists` when a list comes onto the screen or leaves it. */
export declare class Context extends EventTarget {
    owner: NotificationsElement;
    environment: import("./environment.js").Environment;
    /** Where all messages are, if the page has such a place. @type {string|null} */
    inbox: string | null;
    given: boolean;
    /** @type {NotificationsClient} */
    client: NotificationsClient;
    messages: Messages;
    /** Settles when texts are there. */
    ready: Promise<any>;
    /** @type {Set<object>} what shows a list now */ lists: Set<object>;
    /** @param {NotificationsElement} owner */
    constructor(owner: NotificationsElement);
    /** @param {object} list @param {boolean} open */
    listOpen(list: object, open: boolean): void;
    /** The list, wherever it is: the bell's panel, else the page of all messages. */
    showList(): void;
}
/** The elements' common ground. */
export declare class NotificationsElement extends HTMLElement {
    #private;
    /** A client of the page's own; the page connects it. @type {NotificationsClient|undefined} */
    client: NotificationsClient | undefined;
    /** Gives an access token, where no session cookie does. @type {import("./api.js").GetToken|undefined} */
    getToken: import("./api.js").GetToken | undefined;
    /** @type {Context|null} */ context: Context | null;
    constructor();
    get root(): ShadowRoot;
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Listen, at once: nothing may be missed. @param {Context} context */
    attach(context: Context): void;
    /** Draw: texts are there. @param {Context} context */
    start(context: Context): void;
    /** Stop listening. */
    detach(): void;
}
