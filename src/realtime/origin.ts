import type { IncomingMessage } from 'node:http';

/**
 * Browsers send cookies and follow scripts of any page over WebSockets, and CORS does not guard those: the Origin is
 * checked on every handshake. No Origin means no browser: the token decides alone. The server's own page is always let in.
 */
export function originAllowed(request: IncomingMessage, allowed: '*' | readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || allowed === '*' || allowed.includes(origin)) return true;
  if (host === undefined || !URL.canParse(origin)) return false; // `null` is no URL either
  const { protocol, origin: plain, host: from } = new URL(origin);
  // Nothing but scheme, host and port, as browsers write it; behind a proxy the scheme of our own side is not known.
  if (plain !== origin || !/^https?:$/.test(protocol)) return false;
  const own = `${protocol}//${host}`;
  return URL.canParse(own) && new URL(own).host === from;
}
