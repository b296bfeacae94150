import type { IncomingMessage } from 'node:http';

/**
 * Browsers send cookies and follow scripts of any page over WebSockets, and CORS does not guard those: the Origin is
 * checked on every handshake. No Origin means no browser: the token decides alone. The server's own page is always let in.
 */
export function originAllowed(request: IncomingMessage, allowed: '*' | readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || allowed === '*' || allowed.includes(origin)) return true;
  try {
    return host !== undefined && new URL(origin).host === new URL(`${new URL(origin).protocol}//${host}`).host;
  } catch {
    return false; // `null`, or no URL at all
  }
}
