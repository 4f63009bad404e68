/** Moments in the reader's language. */

/** @type {[Intl.RelativeTimeFormatUnit, number, number][]} unit, its milliseconds, up to how many of them */
const UNITS = [["minute", 60_000, 60], ["hour", 3_600_000, 24], ["day", 86_400_000, 7]];

// Making a format takes far longer than using it, and a list has hundreds of moments.
/** @type {Map<string, Intl.RelativeTimeFormat>} */
const formats = new Map();

/** @param {number} moment @param {number} now @param {string} language "5 minutes ago"; a date after a week */
export function relative(moment, now, language) {
  const age = Math.max(0, now - moment);
  let format = formats.get(language);
  if (!format) formats.set(language, (format = new Intl.RelativeTimeFormat(language, { numeric: "auto" })));
  if (age < 60_000) return format.format(0, "second");
  for (const [unit, ms, most] of UNITS) {
    if (age < ms * most) return format.format(-Math.floor(age / ms), unit);
  }
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(moment);
}

/** @param {number} moment @param {string} language */
export function exact(moment, language) {
  return new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" }).format(moment);
}
