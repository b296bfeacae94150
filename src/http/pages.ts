import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import express, { Router } from 'express';
import { traceOf } from './request-trace.ts';
import { SWAGGER_FILES } from './system/docs-routes.ts';

/** Files whose name holds a hash of their content never change. */
const HASHED = /\/assets\/.+-[\w-]{8,}\.\w+$/;

/** Everything that is a file: the parts of the documentation page, and the chat page at `/`. */
export function createPages(webDir: string | undefined): Router {
  const pages = Router();
  const swaggerDir = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  for (const file of SWAGGER_FILES) {
    pages.get(`/docs/${file}`, (_req, res) => {
      traceOf(res).route = '/docs';
      res.sendFile(file, { root: swaggerDir, cacheControl: false, headers: { 'Cache-Control': 'no-cache' } });
    });
  }
  if (webDir === undefined) return pages;
  pages.use((_req, res, next) => {
    traceOf(res).route = '/';
    next();
  });
  pages.use(
    express.static(webDir, {
      acceptRanges: false,
      redirect: false,
      setHeaders: (res, path) => {
        const kept = HASHED.test(path.replaceAll('\\', '/'));
        res.setHeader('Cache-Control', kept ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    }),
  );
  pages.use((_req, res, next) => {
    traceOf(res).route = 'none';
    next();
  });
  return pages;
}
