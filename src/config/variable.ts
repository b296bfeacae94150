/** Where the server runs: `dev` has everything embedded, `production` has the engines of its own. */
export type Stage = 'dev' | 'production';

/** Turns the text of a variable into its value; throws an `Error` that says what the text must be, never what it is. */
export type Parse<T> = (text: string) => T;

/** What is meant when the variable is not set, as one would write it; by stage where that matters. */
export type Default = string | Readonly<Record<Stage, string>>;

interface Words {
  /** What may be given, for people. */
  readonly values?: string;
  readonly doc: string;
}

/** A row of the configuration table: parsed, checked, printed and documented from here. */
export interface Variable<T> extends Words {
  readonly name: string;
  readonly values: string;
  /** Never printed; may also be given as a file, `NAME_FILE`. */
  readonly secret: boolean;
  readonly parse: Parse<T>;
  readonly fallback?: Default;
  /** Takes the place of `fallback` in the printed table, where the default follows from other variables. */
  readonly fallbackWords?: string;
  /** Stands for the value after a mistake, until all mistakes are known and thrown together. */
  readonly placeholder: T;
}

/** A parser and how its values are described. */
export interface Kind<T> {
  readonly values: string;
  readonly parse: Parse<T>;
}

/** A variable that always has a value. The default of `dev` must parse; that of `production` may name what is missing. */
export function variable<T>(name: string, kind: Kind<T>, fallback: Default, words: Words): Variable<T> {
  const placeholder = kind.parse(typeof fallback === 'string' ? fallback : fallback.dev);
  return { name, secret: false, ...kind, ...words, fallback, placeholder };
}

/** A variable that may stay unset. */
export function optional<T>(
  name: string,
  kind: Kind<T>,
  words: Words & { readonly secret?: boolean; readonly fallbackWords?: string },
): Variable<T | undefined> {
  return { name, secret: false, ...kind, ...words, placeholder: undefined };
}

export const fallbackFor = (row: Variable<unknown>, stage: Stage): string | undefined =>
  typeof row.fallback === 'object' ? row.fallback[stage] : row.fallback;

/** A text that is no secret, as it may be shown: what looks like a user and password before a host, or a key behind it, is hidden. */
export const shown = (text: string): string =>
  text.replace(/^(.*?\/\/)?.*@/s, '$1…@').replace(/^(\w+:\/\/[^?]*\?).*/s, '$1…');
