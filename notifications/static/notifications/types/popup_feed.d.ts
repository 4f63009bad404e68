/** From the client's events to the queue: what pops up in this tab, what waits, and what does not. */
import { PopupQueue } from "./popup_queue.js";
export type Item = import("./protocol.js").Item;
export declare const NOBODY_MS = 500;
export declare const SEEN_MS = 2000;
export declare class PopupFeed {
    #private;
    /** @type {PopupQueue} */ queue: PopupQueue;
    /**
     * @param {import("./client.js").NotificationsClient} client whose uid is known
     * @param {import("./environment.js").Environment} env
     * @param {{onchange: () => void, onarrival?: (item: Item) => void}} options
     *   `onchange`: the queue shows something else; `onarrival`: a live item popped up here, or came while no page was in front
     */
    constructor(client: import("./client.js").NotificationsClient, env: import("./environment.js").Environment, { onchange, onarrival }: {
        onchange: () => void;
        onarrival?: (item: Item) => void;
    });
    /** @param {boolean} open whether a list is on the screen */
    listOpen(open: boolean): void;
    /** The user puts a popup away: its items stay unread. @param {string} key */
    putAway(key: string): void;
    close(): void;
}
