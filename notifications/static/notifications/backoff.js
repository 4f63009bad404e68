/**
 * How long to wait before the next attempt: full jitter, so that thousands of clients that lost the same node do not
 * come back in step.
 */

export const FLOOR_MS = 300;
export const CAP_VISIBLE_MS = 30_000;
export const CAP_HIDDEN_MS = 300_000;

/**
 * @param {number} attempt failed attempts so far, from 0
 * @param {number} cap milliseconds, `CAP_VISIBLE_MS` or `CAP_HIDDEN_MS`
 * @param {() => number} random gives [0, 1)
 * @returns {number} milliseconds
 */
export function backoff(attempt, cap, random = Math.random) {
  return FLOOR_MS + random() * (Math.min(cap, 1000 * 2 ** attempt) - FLOOR_MS);
}
