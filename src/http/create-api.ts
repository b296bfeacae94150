import express, { type Express } from 'express';
import type { Chat } from '../chat/chat.ts';
import { ChatError } from '../chat/errors.ts';
import type { GuestAccounts } from '../chat/ports/accounts.ts';
import type { Rate } from '../chat/ports/limits.ts';
import { accountRoutes } from './accounts/account-routes.ts';
import { banRoutes } from './bans/ban-routes.ts';
import { type CorsOrigin, createCors } from './cors.ts';
import { memberRoutes } from './members/member-routes.ts';
import { messageRoutes } from './messages/message-routes.ts';
import { createOpenApi } from './openapi.ts';
import { createPages } from './pages.ts';
import { presenceRoutes } from './presence/presence-routes.ts';
import { createProblemHandler } from './problem.ts';
import { createReadBody } from './read-body.ts';
import { createRequestTrace, type EdgeLog, type RequestMetrics } from './request-trace.ts';
import { roomRoutes } from './rooms/room-routes.ts';
import type { Route } from './route.ts';
import { createMethodsOf, expressPath, waysOf } from './route-table.ts';
import { createSecurityHeaders } from './security-headers.ts';
import { serveRoute } from './serve-route.ts';
import { syncRoutes } from './sync/sync-routes.ts';
import { docsRoutes } from './system/docs-routes.ts';
import { type Readiness, systemRoutes } from './system/system-routes.ts';

export interface ApiOptions {
  readonly chat: Chat;
  /** Embedded development accounts; without them there is no way to make guests (404). */
  readonly guests?: GuestAccounts;
  /** New guests per client address. */
  readonly guestRate: Rate;
  readonly log: EdgeLog;
  readonly metrics: RequestMetrics;
  /** Whose `X-Forwarded-*` headers count, as Express takes it: `loopback`, addresses, networks, a number of hops. */
  readonly trustProxy: boolean | number | string | readonly string[];
  readonly corsOrigin: CorsOrigin;
  /** Of a request body. */
  readonly bodyBytes: number;
  readonly readiness: () => Promise<Readiness> | Readiness;
  readonly renderMetrics: () => Promise<{ contentType: string; body: string }>;
  /** Folder of the built page; none is served without. */
  readonly webDir?: string;
  readonly version: string;
}

type RouteOptions = Pick<ApiOptions, 'guests' | 'guestRate' | 'readiness' | 'renderMetrics' | 'version'>;

/** All of the API as data, by the tag it is documented under. */
export function createRoutes(options: RouteOptions, document: () => string): Record<string, readonly Route[]> {
  return {
    rooms: roomRoutes,
    members: memberRoutes,
    bans: banRoutes,
    messages: messageRoutes,
    presence: presenceRoutes,
    sync: syncRoutes,
    accounts: accountRoutes(options),
    system: [...systemRoutes({ ...options, document }), ...docsRoutes],
  };
}

/** The REST edge: every request is answered by the table of routes, by a page, or by a problem. */
export function createApi(options: ApiOptions): Express {
  const { chat, log, metrics, trustProxy, corsOrigin, bodyBytes, version, webDir } = options;
  let document: string | undefined;
  const routes = createRoutes(options, () => {
    document ??= JSON.stringify(createOpenApi(routes, version));
    return document;
  });
  const ways = waysOf(Object.values(routes).flat());
  const methodsOf = createMethodsOf(ways);
  const readBody = createReadBody(bodyBytes);

  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', trustProxy);
  app.set('query parser', false);
  app.set('case sensitive routing', true);
  app.use(createRequestTrace(log, metrics));
  app.use(createSecurityHeaders());
  app.use(createCors(corsOrigin, methodsOf));
  for (const { method, path, route } of ways) app[method](expressPath(path), serveRoute(route, path, chat, readBody));
  app.use((req, res, next) => {
    const allow = methodsOf(req.path);
    if (allow.length === 0) return next();
    res.setHeader('Allow', allow.join(', '));
    throw new ChatError('invalid_operation', `this path takes ${allow.join(', ')}`, { status: 405 });
  });
  app.use(createPages(webDir));
  app.use(() => {
    throw new ChatError('not_found', 'there is nothing at this path');
  });
  app.use(createProblemHandler(log));
  return app;
}
