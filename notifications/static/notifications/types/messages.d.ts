/** Texts in the page's language: gettext over the catalogue that Django's `JSONCatalog` view serves. English is built in. */
export declare class Messages {
    #private;
    language: string;
    /** @param {string} language a BCP 47 tag */
    constructor(language?: string);
    /**
     * @param {string} url of a JSONCatalog view; one that does not answer leaves English
     * @param {typeof fetch} fetcher
     */
    load(url: string, fetcher?: typeof fetch): Promise<void>;
    /** @param {string} text @param {Record<string, string|number>} [values] for %(name)s @returns {string} */
    gettext(text: string, values?: Record<string, string | number>): string;
    /**
     * @param {string} one @param {string} many @param {number} n
     * @param {Record<string, string|number>} [values]
     * @returns {string}
     */
    ngettext(one: string, many: string, n: number, values?: Record<string, string | number>): string;
}
