/** The count on the installed app's icon; only where the user has asked for it, in this browser. */
export declare class AppBadge {
    #private;
    /** @param {import("./client.js").NotificationsClient} client @param {import("./environment.js").Environment} env */
    constructor(client: import("./client.js").NotificationsClient, { storage }: import("./environment.js").Environment);
    /** Whether there is such a thing in this browser. */
    static get possible(): boolean;
    get on(): boolean;
    /** @param {boolean} on the user's wish */
    wish(on: boolean): void;
    /** The count as it is now. */
    show(): void;
}
