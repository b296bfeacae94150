import type { RequestHandler } from 'express';
import helmet from 'helmet';

const DIRECTIVES = {
  'default-src': ["'self'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'blob:', 'data:'],
  'connect-src': ["'self'", 'ws:', 'wss:'],
  'object-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'self'"],
  'frame-ancestors': ["'none'"],
};

/** Of a body that is somebody's upload: nothing in it may run or load. */
export const UPLOAD_POLICY = "default-src 'none'; sandbox";

const headersFor = (https: boolean): RequestHandler =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { ...DIRECTIVES, ...(https ? { 'upgrade-insecure-requests': [] } : {}) },
    },
    strictTransportSecurity: https,
    xFrameOptions: { action: 'deny' },
  });

/** What only makes sense over https is sent over https only: on a plain host of a LAN it would break the page. */
export function createSecurityHeaders(): RequestHandler {
  const plain = headersFor(false);
  const secure = headersFor(true);
  return (req, res, next) => (req.secure ? secure : plain)(req, res, next);
}
