/** Moments in the reader's language. */
/** @param {number} moment @param {number} now @param {string} language "5 minutes ago"; a date after a week */
export declare function relative(moment: number, now: number, language: string): string;
/** @param {number} moment @param {string} language */
export declare function exact(moment: number, language: string): string;
