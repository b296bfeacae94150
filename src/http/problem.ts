import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, Response } from 'express';
import { ChatError, ERRORS, invalidFields } from '../chat/errors.ts';
import type { Log } from '../chat/ports/log.ts';
import { traceOf } from './request-trace.ts';

/** Where a code is explained: the stable `type` of its problems. */
export const problemType = (code: string): string => `/docs/errors#${code}`;

/** When a caller may come again and nobody knows better. */
const RETRY_AFTER_MS = 1000;

/** Answers with RFC 9457 problem details. */
export function sendProblem(res: Response, error: ChatError): void {
  const { code, status, data } = error;
  const trace = traceOf(res);
  trace.code = code;
  const problem = {
    type: problemType(code),
    title: ERRORS[code].title,
    status,
    detail: error.message,
    instance: res.req.originalUrl.replace(/\?.*$/s, ''),
    error: error.error,
    code,
    requestId: trace.requestId,
    ...(data === undefined ? {} : { data }),
  };
  if (error.retry) {
    res.setHeader('Retry-After', Math.max(1, Math.ceil((error.retryAfterMs ?? RETRY_AFTER_MS) / 1000)));
  }
  if (status === 401) res.setHeader('WWW-Authenticate', 'Bearer');
  const bytes = Buffer.from(JSON.stringify(problem));
  res.statusCode = status;
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('Content-Type', 'application/problem+json');
  res.setHeader('Content-Length', bytes.length);
  res.end(bytes);
}

/** The last handler: whatever was thrown becomes a problem; only a {@link ChatError} says more than "internal". */
export const createProblemHandler =
  (log: Log): ErrorRequestHandler =>
  (thrown: unknown, _req, res, _next) => {
    const error = publicError(thrown);
    const { requestId, route } = traceOf(res);
    if (error.status >= 500) {
      const facts = { requestId, route, code: error.code, cause: error.cause };
      if (error.retry) log.warn('a request met a part that is away', facts);
      else log.error('a request failed', facts);
    }
    if (res.headersSent) res.destroy();
    else sendProblem(res, error);
  };

function publicError(thrown: unknown): ChatError {
  if (thrown instanceof ChatError) return thrown;
  if (thrown instanceof URIError) return invalidFields('the path is not well-formed percent-encoded UTF-8', 'path');
  const status = statusOf(thrown);
  if (status === 404) return new ChatError('not_found', 'there is nothing at this path');
  // What is left are bodies that are not what their headers say.
  if (status >= 400 && status < 500) return invalidFields(STATUS_CODES[status] ?? 'the request is not valid', 'body');
  return new ChatError('internal', 'something broke on our side; the request id finds it in the log', {
    cause: thrown,
  });
}

/** The status that Express and its parts give to errors of the request. */
const statusOf = (thrown: unknown): number =>
  thrown instanceof Error && 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : 500;
