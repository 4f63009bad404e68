/**
 * The look, as one constructed sheet for all elements: a strict policy allows it, and nothing is fetched.
 * Everything that a page may change is a custom property (`--notifications-…`) or a part; docs/client.md lists them.
 */
/** The sheet, made once for all elements of the page. */
export declare function sheet(): CSSStyleSheet;
