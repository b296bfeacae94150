import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { RequestHandler } from 'express';
import type { ErrorCode } from '../chat/errors.ts';
import type { Log } from '../chat/ports/log.ts';

export interface EdgeLog extends Log {
  http(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface ObservedRequest {
  readonly method: string;
  /** A pattern of the table, never a path. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Of the problem that was answered. */
  readonly code?: ErrorCode;
}

export interface RequestMetrics {
  observeRequest(request: ObservedRequest): void;
}

/** What is known of a request while it is served. */
export interface Trace {
  readonly requestId: string;
  route: string;
  user?: string;
  code?: ErrorCode;
}

const traces = new WeakMap<ServerResponse, Trace>();
const WELL_FORMED_ID = /^[\w.-]{1,64}$/;

export function traceOf(res: ServerResponse): Trace {
  let trace = traces.get(res);
  if (!trace) {
    const given = res.req.headers['x-request-id'];
    const requestId = typeof given === 'string' && WELL_FORMED_ID.test(given) ? given : randomUUID();
    trace = { requestId, route: 'none' };
    traces.set(res, trace);
  }
  return trace;
}

/** Gives each request its id, and a line and a measure when it is over. Neither holds paths, queries or headers. */
export const createRequestTrace =
  (log: EdgeLog, metrics: RequestMetrics): RequestHandler =>
  (req, res, next) => {
    const startedMs = performance.now();
    const trace = traceOf(res);
    const { method } = req;
    res.setHeader('X-Request-Id', trace.requestId);
    res.once('close', () => {
      const ms = performance.now() - startedMs;
      const { route, requestId, user, code } = trace;
      const status = res.statusCode;
      const failed = code === undefined ? {} : { code };
      metrics.observeRequest({ method, route, status, seconds: ms / 1000, ...failed });
      log.http('request', {
        method,
        route,
        status,
        ms: Math.round(ms * 10) / 10,
        bytes: method === 'HEAD' ? 0 : Number(res.getHeader('content-length') ?? 0),
        requestId,
        ...(user === undefined ? {} : { user }),
        ...failed,
        ...(res.writableFinished ? {} : { aborted: true }),
      });
    });
    next();
  };
