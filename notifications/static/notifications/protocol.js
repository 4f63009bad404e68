/** The wire format without I/O: docs/protocol.md in code. */

/**
 * @typedef {object} Item
 * @property {string} id UUIDv7; ids of one inbox sort by time
 * @property {"user"|"everyone"} audience
 * @property {string} kind
 * @property {"info"|"success"|"warning"|"error"} level
 * @property {string} title plain text
 * @property {string} body plain text
 * @property {string|null} url
 * @property {Record<string, unknown>} data
 * @property {string|null} ref
 * @property {"popup"|"list"|"banner"} display
 * @property {boolean} confirm
 * @property {string} created_at
 * @property {string|null} expires_at
 * @property {string|null} read_at
 * @property {boolean} live
 */
/** @typedef {{type: string, ref?: string|number, [field: string]: any}} Frame */
/** @typedef {{before?: string|null, limit?: number, unread?: boolean, kind?: string|null}} ListQuery */
/** @typedef {{items: Item[], next: string|null}} Page */

export const SUBPROTOCOL = "notifications.v1";
export const READ_IDS_MAX = 200;

/** @param {string} token @returns {string[]} what to offer when opening: no log prints a subprotocol */
export const subprotocols = (token) => [SUBPROTOCOL, `bearer.${token}`];

/**
 * What a close code tells the client to do; its range is the instruction.
 * @param {number} code
 * @returns {"stop"|"back_off"|"at_once"}
 */
export function afterClose(code) {
  if (code >= 4000 && code < 4100) return "stop";
  return code >= 4200 && code < 4300 ? "at_once" : "back_off";
}

/**
 * @param {number} code of the range 4000-4099
 * @returns {"signed_out"|"too_many_connections"|"protocol_violation"|"stopped"}
 */
export function stopReason(code) {
  if (code === 4001 || code === 4003) return "signed_out";
  if (code === 4004) return "too_many_connections";
  return code === 4007 ? "protocol_violation" : "stopped";
}

/**
 * A frame of the server; null for anything else, which is ignored.
 * @param {unknown} text
 * @returns {Frame|null}
 */
export function parse(text) {
  if (typeof text !== "string") return null;
  try {
    const frame = JSON.parse(text);
    return frame && typeof frame.type === "string" ? frame : null;
  } catch {
    return null;
  }
}

/** The frames a client sends. `undefined` fields are left out by JSON. */
export const frames = {
  /** @param {number} [ref] */
  ping: (ref) => ({ type: "ping", ref }),
  /** @param {string|number} [ref] */
  pong: (ref) => ({ type: "pong", ref }),
  /** @param {string[]} ids @param {"popup"|"list"} via @param {boolean} confirm */
  read: (ids, via = "list", confirm = false) => ({ type: "read", ids, via, confirm }),
  /** @param {string} before the newest id that was seen */
  readAll: (before) => ({ type: "read_all", before }),
  /** @param {ListQuery} query */
  list: ({ before, limit, unread, kind }) => ({
    type: "list", before: before ?? undefined, limit, unread, kind: kind ?? undefined,
  }),
  /** @param {string} token */
  auth: (token) => ({ type: "auth", token }),
};

/**
 * The address of an item as it may go into a link: a path or http(s), else null. The server checks the same; a page
 * must not depend on it.
 * @param {string|null} url
 * @returns {string|null}
 */
export function safeUrl(url) {
  if (!url) return null;
  if (/^\/(?![/\\])/.test(url)) return url;
  return /^https?:\/\//i.test(url) ? url : null;
}
