/**
 * How long to wait before the next attempt: full jitter, so that thousands of clients that lost the same node do not
 * come back in step.
 */
export declare const FLOOR_MS = 300;
export declare const CAP_VISIBLE_MS = 30000;
export declare const CAP_HIDDEN_MS = 300000;
/**
 * @param {number} attempt failed attempts so far, from 0
 * @param {number} cap milliseconds, `CAP_VISIBLE_MS` or `CAP_HIDDEN_MS`
 * @param {() => number} random gives [0, 1)
 * @returns {number} milliseconds
 */
export declare function backoff(attempt: number, cap: number, random?: () => number): number;
