import type { RequestHandler, Response } from 'express';
import { answerInTime } from '../chat/answer-in-time.ts';
import { authenticate } from '../chat/authenticate.ts';
import type { Chat } from '../chat/chat.ts';
import { parseInput } from './parse-input.ts';
import { readBearer } from './read-bearer.ts';
import type { ReadBody } from './read-body.ts';
import { readQuery } from './read-query.ts';
import { traceOf } from './request-trace.ts';
import type { CallerContext, Context, Input, Reply, Route } from './route.ts';

/** Who calls is settled before anything of the body is read. */
export const serveRoute =
  (route: Route, path: string, chat: Chat, readBody: ReadBody): RequestHandler =>
  async (req, res) => {
    const trace = traceOf(res);
    trace.route = path;
    const rawQuery = readQuery(req.originalUrl);
    const startedAt = performance.now();
    const caller = route.auth ? await answerInTime(authenticate(chat, readBearer(req))) : undefined;
    const usedMs = performance.now() - startedAt; // without the body, for which the client takes its time
    if (caller) trace.user = caller.user;
    const address = req.ip ?? '';
    const context: Context | CallerContext = caller ? { chat, address, caller } : { chat, address };
    const { params, query, headers, body } = route;
    const input: Input<unknown, unknown, unknown, unknown> = {
      params: params ? parseInput(params, req.params, 'path') : {},
      query: query ? parseInput(query, rawQuery, 'query') : {},
      headers: headers ? parseInput(headers, req.headers, 'headers') : {},
      body: body ? parseInput(body, await readBody(req, res), 'body') : undefined,
    };
    sendReply(res, await answerInTime(route.run(context, input), usedMs));
  };

/** Written by hand: Express would answer 304 by itself, for rooms too, whose ETag names less than all that they show. */
function sendReply(res: Response, { status, body, content, headers = {} }: Reply): void {
  res.statusCode = status;
  res.setHeader('Cache-Control', 'no-store');
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  const sent = content ?? (body === undefined ? undefined : { type: 'application/json', bytes: JSON.stringify(body) });
  if (sent === undefined) {
    res.end();
    return;
  }
  const bytes = typeof sent.bytes === 'string' ? Buffer.from(sent.bytes) : sent.bytes;
  res.setHeader('Content-Type', sent.type);
  res.setHeader('Content-Length', bytes.byteLength);
  res.end(bytes);
}
