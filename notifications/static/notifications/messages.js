/** Texts in the page's language: gettext over the catalogue that Django's `JSONCatalog` view serves. English is built in. */

const ORDER = ["zero", "one", "two", "few", "many", "other"];

export class Messages {
  /** @type {Record<string, string|string[]>} */ #catalog = {};
  #rules;

  /** @param {string} language a BCP 47 tag */
  constructor(language = "en") {
    this.language = known(language);
    this.#rules = new Intl.PluralRules(this.language);
  }

  /**
   * @param {string} url of a JSONCatalog view; one that does not answer leaves English
   * @param {typeof fetch} fetcher
   */
  async load(url, fetcher = (...args) => fetch(...args)) {
    try {
      const answer = await fetcher(url, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (answer.ok) this.#catalog = (await answer.json()).catalog ?? {};
    } catch {
      // English says it too.
    }
  }

  /** @param {string} text @param {Record<string, string|number>} [values] for %(name)s @returns {string} */
  gettext(text, values) {
    const found = this.#catalog[text];
    return fill((Array.isArray(found) ? found[0] : found) || text, values);
  }

  /**
   * @param {string} one @param {string} many @param {number} n
   * @param {Record<string, string|number>} [values]
   * @returns {string}
   */
  ngettext(one, many, n, values) {
    const forms = this.#catalog[one];
    if (!Array.isArray(forms)) return fill(n === 1 ? one : many, values);
    // Gettext's forms stand in the order of the language's plural categories. The catalogue's own rule is a text of
    // JavaScript, and a strict policy lets nobody run that.
    const categories = this.#rules.resolvedOptions().pluralCategories;
    const index = ORDER.filter((name) => categories.includes(/** @type {any} */ (name))).indexOf(this.#rules.select(n));
    return fill(forms[Math.min(index, forms.length - 1)] || many, values);
  }
}

/** @param {string} text @param {Record<string, string|number>} [values] */
const fill = (text, values) => (values ? text.replace(/%\((\w+)\)s/g, (_, name) => String(values[name])) : text);

/** @param {string} language */
function known(language) {
  try {
    return Intl.getCanonicalLocales(language)[0] ?? "en";
  } catch {
    return "en";
  }
}
