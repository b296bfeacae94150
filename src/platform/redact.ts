import { types } from 'node:util';

const HIDDEN = '[redacted]';
const DEEPEST = 8;

/** Keys whose values are nobody's business. `tokenHash` is not among them: a hash gives no access. */
const SECRET_KEY = /(?:token|authorization|password|passwd|passphrase|cookie|secret|credential|api[_-]?key)s?$/i;

/** What gives access inside a text: bearer headers, pairs in URLs and forms, JSON, signed tokens, users of URLs. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer)\s+(?!token\b)[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  [/(authorization\s?[:=]\s?(?:basic\s+)?)[\w.~+/=-]+/gi, `$1${HIDDEN}`],
  [/((?:token|password|secret|cookie|api[_-]?key)\s?=\s?)[^&\s"'<>;,]+/gi, `$1${HIDDEN}`],
  [/("[\w-]{0,40}(?:token|authorization|password|secret|cookie|api[_-]?key)"\s?:\s?")[^"]*/gi, `$1${HIDDEN}`],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, HIDDEN],
  [/(\w:\/\/)[^\s/@:]{0,200}:[^\s/@]{0,200}@/g, `$1${HIDDEN}@`],
];

export const redactText = (text: string): string =>
  SECRET_TEXTS.reduce((seen, [pattern, hidden]) => seen.replace(pattern, hidden), text);

/** An error of any realm: `instanceof` misses those of another context. */
export const isError = (value: unknown): value is Error => types.isNativeError(value) || value instanceof Error;

/**
 * The last line of defence before anything is written: a copy fit for JSON, of bounded depth, without secrets. Errors
 * keep name, message, stack, own fields and what they wrap. Never throws.
 */
export function redact(value: unknown): unknown {
  return copy(value, []);
}

function copy(value: unknown, path: readonly object[]): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'bigint':
    case 'symbol':
      return String(value);
    case 'function':
      return `[function ${value.name}]`;
    case 'object':
      return value === null ? null : copyObject(value, path);
    default:
      return value;
  }
}

function copyObject(value: object, path: readonly object[]): unknown {
  if (path.includes(value)) return '[circular]';
  if (path.length >= DEEPEST) return '[deeper]';
  const inner = [...path, value];
  if (isError(value)) return copyError(value, inner);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (Array.isArray(value)) return value.map((it) => copy(it, inner));
  if (value instanceof Map) return [...value].map((it) => copy(it, inner));
  if (value instanceof Set) return [...value].map((it) => copy(it, inner));
  return copyFields(value, inner);
}

function copyError(error: Error, path: readonly object[]): Record<string, unknown> {
  const wrapped: Record<string, unknown> = {};
  if (error.cause !== undefined) wrapped.cause = copy(error.cause, path);
  if ('errors' in error) wrapped.errors = copy(error.errors, path);
  return {
    ...copyFields(error, path),
    name: error.name,
    message: redactText(error.message),
    stack: redactText(error.stack ?? ''),
    ...wrapped,
  };
}

function copyFields(value: object, path: readonly object[]): Record<string, unknown> {
  const copied: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(value)) {
    copied[key] = SECRET_KEY.test(key) ? HIDDEN : copy(fieldOf(value, key), path);
  }
  return copied;
}

/** A getter may throw; a log line must not. */
function fieldOf(value: object, key: string): unknown {
  try {
    return Reflect.get(value, key);
  } catch {
    return '[unreadable]';
  }
}
