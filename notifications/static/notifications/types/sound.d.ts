/** A short sound, made rather than loaded. */
/** Two soft tones. A browser stays silent until the user has used the page. */
export declare function chime(): void;
