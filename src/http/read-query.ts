import { invalidFields } from '../chat/errors.ts';

const TOKEN_NAMES = new Set(['token', 'access_token']);

/**
 * A flat query: each name once. Nothing is guessed from brackets or repetitions, because what a caller means by
 * `limit=1&limit=2` nobody knows.
 * @throws invalid_fields
 */
export function readQuery(url: string): Record<string, string> {
  const at = url.indexOf('?');
  const query = new Map<string, string>();
  for (const pair of at < 0 ? [] : url.slice(at + 1).split('&')) {
    if (pair === '') continue;
    const [name, value] = decodePair(pair);
    if (TOKEN_NAMES.has(name)) {
      throw invalidFields('send the token in the Authorization header: tokens in URLs end up in logs', name);
    }
    if (/[[\]]/.test(name)) throw invalidFields('query parameters are plain names, without brackets', fieldOf(name));
    if (query.has(name)) throw invalidFields('a query parameter is given once', fieldOf(name));
    query.set(name, value);
  }
  return Object.fromEntries(query);
}

const fieldOf = (name: string): string => name.replace(/\[.*$/s, '').slice(0, 80);

function decodePair(pair: string): [name: string, value: string] {
  const at = pair.indexOf('=');
  const parts = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
  try {
    const [name = '', value = ''] = parts.map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
    return [name, value];
  } catch {
    throw invalidFields('the query is not well-formed percent-encoded UTF-8', 'query');
  }
}
