import type { RequestHandler } from 'express';

/** Whole origins (`https://chat.example.org`), or everybody. */
export type CorsOrigin = '*' | readonly string[];

const ALLOWED_HEADERS = 'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id';
const EXPOSED_HEADERS = 'ETag, Idempotency-Replayed, Link, Location, Retry-After, X-Request-Id';
const PREFLIGHT_SECONDS = '600';

/**
 * Lets pages of other origins call. Callers prove themselves by a header that no browser adds on its own, so credentials
 * (cookies) are never allowed, to nobody. Also answers OPTIONS of known paths.
 */
export const createCors =
  (origin: CorsOrigin, methodsOf: (path: string) => readonly string[]): RequestHandler =>
  (req, res, next) => {
    if (origin !== '*' && origin.length > 0) res.vary('Origin');
    const asking = req.headers.origin;
    const allowed = asking !== undefined && (origin === '*' || origin.includes(asking));
    if (allowed) {
      res.setHeader('Access-Control-Allow-Origin', origin === '*' ? '*' : asking);
      res.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
    }
    if (req.method !== 'OPTIONS') return next();
    const methods = methodsOf(req.path);
    if (methods.length === 0) return next();
    if (allowed && req.headers['access-control-request-method'] !== undefined) {
      res.setHeader('Access-Control-Allow-Methods', methods.join(', '));
      res.setHeader('Access-Control-Allow-Headers', ALLOWED_HEADERS);
      res.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    }
    res.setHeader('Allow', methods.join(', '));
    res.statusCode = 204;
    res.end();
  };
