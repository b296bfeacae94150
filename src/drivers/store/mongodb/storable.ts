/** What may not be stored: a mistake of the caller, found before anything was sent. */
export class Unstorable extends TypeError {
  override readonly name = 'Unstorable';
}

/**
 * Throws {@link Unstorable} unless every value is a well-formed text without NUL. Takes `unknown` at heart: what should be
 * a text and is an object would be an operator in a filter, and something else than it was in a document.
 */
export function requireTexts(...texts: readonly (string | undefined)[]): void {
  for (const text of texts) {
    if (text === undefined) continue;
    if (typeof text !== 'string') throw new Unstorable('a text is required');
    if (text.includes('\0') || !text.isWellFormed()) {
      throw new Unstorable('a text must be well-formed Unicode without NUL');
    }
  }
}

/** Throws {@link Unstorable} unless every value is a whole number below 2^53. */
export function requireNumbers(...numbers: readonly (number | undefined)[]): void {
  for (const it of numbers) {
    if (it !== undefined && !Number.isSafeInteger(it)) throw new Unstorable('a number must be a whole one below 2^53');
  }
}
