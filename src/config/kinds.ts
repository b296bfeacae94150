import { isIP, isIPv4 } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Rate } from '../chat/ports/limits.ts';
import type { Kind } from './variable.ts';

/** What express takes as `trust proxy`: a number of hops, or whom to believe. */
export type TrustProxy = number | readonly string[];

const refuse = (sentence: string): never => {
  throw new Error(sentence);
};

const either = (values: readonly string[]): string => values.map((it) => `\`${it}\``).join(', ');

export function int(min: number, max: number): Kind<number> {
  const values = `${min}-${max}`;
  return {
    values,
    parse: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : refuse(`must be a whole number from ${min} to ${max}`);
    },
  };
}

export function oneOf<const T extends string>(...choices: readonly T[]): Kind<T> {
  return {
    values: either(choices),
    parse: (text) => choices.find((it) => it === text) ?? refuse(`must be one of ${choices.join(', ')}`),
  };
}

/** A choice of drivers, some of which are planned only: those are refused by name. */
export function driver<const T extends string>(built: readonly T[], planned: readonly string[]): Kind<T> {
  const names = built.join(' or ');
  return {
    values: either(built),
    parse: (text) => {
      if (planned.includes(text)) return refuse(`this driver is not built yet; use ${names}`);
      return built.find((it) => it === text) ?? refuse(`must be ${names}`);
    },
  };
}

export const flag: Kind<boolean> = {
  values: either(['true', 'false']),
  parse: (text) => (text === 'true' || text === 'false' ? text === 'true' : refuse('must be true or false')),
};

export const folder: Kind<string> = { values: 'a path', parse: (text) => resolve(text) };

export const host: Kind<string> = {
  values: 'an address or a host name',
  parse: (text) =>
    isIP(text) > 0 || /^[\p{L}\d](?:[\p{L}\d._-]{0,252})$/u.test(text)
      ? text
      : refuse('must be an address or a host name, without a port'),
};

export const instances: Kind<number> = {
  values: '1-128 or `max` (one per core)',
  parse: (text) => {
    if (text === 'max') return Math.min(128, availableParallelism());
    const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    return value >= 1 && value <= 128 ? value : refuse('must be a whole number from 1 to 128, or max');
  },
};

const SUBNETS = ['loopback', 'linklocal', 'uniquelocal'];

function isSubnet(text: string): boolean {
  if (SUBNETS.includes(text)) return true;
  const [address = '', bits, ...more] = text.split('/');
  if (isIP(address) === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(address) ? 32 : 128));
}

const listed = (text: string): string[] =>
  text
    .split(',')
    .map((it) => it.trim())
    .filter((it) => it !== '');

export const trustProxy: Kind<TrustProxy> = {
  values: '`loopback`, a number of hops, a list of addresses or networks, or `none`; never `true`',
  parse: (text) => {
    if (text === 'none') return [];
    if (/^\d{1,2}$/.test(text)) return Number(text);
    const list = listed(text);
    return list.length > 0 && list.every(isSubnet)
      ? list
      : refuse('must be loopback, a number of hops, a list of addresses or networks, or none');
  },
};

const isOrigin = (text: string): boolean =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;

/** `*` is everybody, an empty list nobody but the page's own origin. */
export const origins: Kind<'*' | readonly string[]> = {
  values: '`*`, `none`, or a list of origins such as `https://chat.example.org`',
  parse: (text) => {
    if (text === '*') return '*';
    if (text === 'none') return [];
    const list = listed(text);
    return list.length > 0 && list.every(isOrigin)
      ? list
      : refuse('must be *, none, or origins such as https://chat.example.org without a path, divided by commas');
  },
};

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

export const rate: Kind<Rate> = {
  values: '`N/10s`, `N/1m`, or `off`',
  parse: (text) => {
    if (text === 'off') return null;
    const [, count = '', length = '', unit = ''] = /^(\d{1,6})\/(\d{1,4})([smh])$/.exec(text) ?? [];
    const found = { count: Number(count), windowMs: Number(length) * (UNITS[unit] ?? 0) };
    return found.count > 0 && found.windowMs > 0 && found.windowMs <= 86_400_000
      ? found
      : refuse('must be a count and a window of a day at most, such as 20/10s or 10/1m, or off');
  },
};

const isLoopback = (name: string): boolean => name === 'localhost' || name === '[::1]' || /^127\.[\d.]+$/.test(name);

/** Tokens go there, so no clear text over a network, and no credentials that would turn up in texts. */
export const accountServer: Kind<URL> = {
  values: 'an `https:` URL; `http:` only to loopback',
  parse: (text) => {
    const url = URL.canParse(text) ? new URL(text) : refuse('must be a URL such as https://accounts.example.org');
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
      refuse('must be an https: URL; http: is accepted only to loopback, because tokens go there');
    }
    if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
      refuse('must carry no user, password, query or fragment');
    }
    return url;
  },
};

export const urlPath: Kind<string> = {
  values: 'a path that starts with `/`',
  parse: (text) =>
    /^\/(?!\/)[\w\-./~%]{0,1000}$/.test(text) ? text : refuse('must be a path that starts with a single /'),
};

export const stockUrl: Kind<string> = {
  values: 'an `http(s):` URL with `{code}` in it, or the `file:` URL of a sample CSV',
  parse: (text) => {
    const protocol = URL.canParse(text) ? new URL(text).protocol : '';
    const fits = protocol === 'file:' || (/^https?:$/.test(protocol) && text.includes('{code}'));
    return fits ? text : refuse('must be an http(s): URL with {code} in it, or the file: URL of a sample CSV');
  },
};

/**
 * Without a fragment: a `#` that was not escaped in a password would make another host of the rest. Escapes must be
 * readable, or the client of the engine throws.
 */
function urlOf(protocols: readonly string[], text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fits = url && protocols.includes(url.protocol) && url.hostname !== '' && !text.includes('#');
  return fits && isReadable(`${url.username}${url.password}${url.pathname}`) ? url : undefined;
}

function isReadable(escaped: string): boolean {
  try {
    decodeURIComponent(escaped);
    return true;
  } catch {
    return false;
  }
}

/** The address of a key set: fetched in clear text by nobody but this machine. */
export const keySetUrl: Kind<URL> = {
  values: 'an `https:` URL; `http:` only to loopback',
  parse: (text) => {
    const url = urlOf(['https:', 'http:'], text) ?? refuse('must be a URL such as https://login.example.org/jwks.json');
    if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
      refuse('must be an https: URL; http: is accepted only to loopback, because these keys decide who gets in');
    }
    if (url.username !== '' || url.password !== '') refuse('must carry no user and no password');
    return url;
  },
};

/** Several hosts are allowed, which `URL` cannot read. User and password hold no `:`, `@` or `/` that is not escaped. */
const MONGODB =
  /^mongodb(?:\+srv)?:\/\/(?:([^:/?#@\s]*(?::[^:/?#@\s]*)?)@)?(?:\[[\da-fA-F:.]+\]|[^/?#@\s,:[\]]+)(?::\d{1,5})?(?:,(?:\[[\da-fA-F:.]+\]|[^/?#@\s,:[\]]+)(?::\d{1,5})?)*\/[^/?#\s.$"\\]+(?:\?[^#\s]*)?$/;

export const mongodbUri: Kind<string> = {
  values: '`mongodb://…/database` or `mongodb+srv://…/database`',
  parse: (text) => {
    const found = MONGODB.exec(text);
    return found && isReadable(found[1] ?? '')
      ? text
      : refuse(
          'must be a URI such as mongodb://user:password@127.0.0.1:27017/chat_srv, with the name of a database; ' +
            'other characters than letters and digits are escaped in user and password',
        );
  },
};

/** Options in the query would overrule what the drivers rely on. */
export const redisUrl: Kind<string> = {
  values: 'a `redis:` or `rediss:` URL',
  parse: (text) => {
    const url = urlOf(['redis:', 'rediss:'], text);
    return url && /^(?:\/\d{0,5})?$/.test(url.pathname) && !text.includes('?')
      ? text
      : refuse('must be a URL such as redis://:password@127.0.0.1:6379/0, without a query, the password escaped');
  },
};

export const amqpUrl: Kind<string> = {
  values: 'an `amqp:` or `amqps:` URL',
  parse: (text) =>
    urlOf(['amqp:', 'amqps:'], text)
      ? text
      : refuse('must be a URL such as amqp://user:password@127.0.0.1:5672/vhost, user, password and vhost escaped'),
};

/** Names of keys, queues and the like: short, and of characters that no engine takes for anything else. */
export const token: Kind<string> = {
  values: '1-100 letters, digits, `.`, `_`, `:`, `-`',
  parse: (text) => (/^[\w.:-]{1,100}$/.test(text) ? text : refuse('must be 1-100 letters, digits, or . _ : -')),
};

/** The broker keeps names that begin with `amq.` to itself. */
export const queue: Kind<string> = {
  values: token.values,
  parse: (text) => (text.startsWith('amq.') ? refuse('must not begin with amq.') : token.parse(text)),
};

export const text: Kind<string> = { values: 'a text', parse: (given) => given };

export const commandWords: Kind<readonly string[]> = {
  values: 'words divided by commas, without `/`',
  parse: (given) => {
    const words = listed(given);
    return words.length > 0 && words.every((it) => /^[\p{L}\p{N}_-]{1,64}$/u.test(it))
      ? words.map((it) => it.toLowerCase())
      : refuse('must be words divided by commas, without /, such as stock,hello');
  },
};
