/** What a list says about the connection when it is not there, and what can be done. */
/** @param {import("./context.js").Context} context @returns {HTMLElement|null} */
export declare function notice({ client, messages: m }: import("./context.js").Context): HTMLElement | null;
