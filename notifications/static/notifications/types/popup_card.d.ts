/** One popup as it looks: drawn by `<notification-popups>`, and by the admin's preview of what is being written. */
export type Item = import("./protocol.js").Item;
export type Messages = import("./messages.js").Messages;
/** @typedef {import("./protocol.js").Item} Item */
/** @typedef {import("./messages.js").Messages} Messages */
/** @param {Item} item @param {Messages} m @returns {string} what a screen reader says before the title */
export declare function levelName({ level }: Item, m: Messages): string;
/** @param {string} text */
export declare const isLong: (text: string) => boolean;
/**
 * @param {Item} item
 * @param {Messages} m
 * @param {{done: () => void, gone: () => void, away: () => void}} act
 *   the item is read or confirmed; its popup is to go; it is put away unread
 * @returns {HTMLElement}
 */
export declare function popupCard(item: Item, m: Messages, { done, gone, away }: {
    done: () => void;
    gone: () => void;
    away: () => void;
}): HTMLElement;
/**
 * @param {string} level @param {string} labelledby @param {Messages} m @param {() => void} away
 * @param {...(Node|null)} content
 * @returns {HTMLElement}
 */
export declare function frame(level: string, labelledby: string, m: Messages, away: () => void, ...content: (Node | null)[]): HTMLElement;
