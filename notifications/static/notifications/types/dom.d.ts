/** Elements made without markup: text is always text, whatever a sender writes. */
/**
 * @param {string} tag
 * @param {Record<string, any>} [props] functions become listeners (`onclick`), true an empty attribute; false and null
 *   are left out
 * @param {...(Node|string|null|undefined)} children
 * @returns {any}
 */
export declare function h(tag: string, props?: Record<string, any>, ...children: (Node | string | null | undefined)[]): any;
/**
 * @param {string} text @param {string} look `primary` or `quiet` @param {(event: any) => void} onclick
 * @param {Record<string, any>} [props]
 * @returns {any}
 */
export declare const button: (text: string, look: string, onclick: (event: any) => void, props?: Record<string, any>) => any;
/** @param {string} name @returns {SVGElement} decoration: nothing for a screen reader */
export declare function icon(name: string): SVGElement;
/**
 * Set only what differs, so that neither focus nor a screen reader is disturbed.
 * @param {Node} node @param {string} text
 */
export declare function setText(node: Node, text: string): void;
