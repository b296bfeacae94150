import { strict as assert } from 'node:assert';
import { createServer, request } from 'node:http';
import { z } from 'zod';
import type { Account } from '../../src/chat/model.ts';
import type { GuestAccounts } from '../../src/chat/ports/accounts.ts';
import { type ApiOptions, createApi, createRoutes } from '../../src/http/create-api.ts';
import type { ObservedRequest } from '../../src/http/request-trace.ts';
import { createMethodsOf, type Way, waysOf } from '../../src/http/route-table.ts';
import { problem } from '../../src/wire/problem.ts';
import { openTestChat, type TestChat, type TestChatOptions } from './test-chat.ts';

export interface Call {
  readonly token?: string;
  /** Sent as JSON; a text or bytes go as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  readonly bytes: Buffer;
  /** Parsed when it is JSON; an empty object otherwise. */
  readonly json: Record<string, unknown>;
}

export interface TestApi extends TestChat {
  readonly port: number;
  readonly observed: ObservedRequest[];
  /** `line` is `METHOD /path`. Every answer is held to what the table of routes documents. */
  readonly call: (line: string, call?: Call) => Promise<Answer>;
  /** Calls and expects the status; resolves with the JSON. */
  readonly ok: (status: number, line: string, call?: Call) => Promise<Record<string, unknown>>;
  /** Calls and expects a problem. */
  readonly refused: (status: number, error: number, line: string, call?: Call) => Promise<Answer>;
}

export interface TestApiOptions extends TestChatOptions {
  readonly api?: Partial<ApiOptions>;
  /** False: as with accounts that live elsewhere. */
  readonly guests?: boolean;
}

/** The API on a real server of its own, on a free port of the loopback. */
export async function openTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const test = await openTestChat(options);
  const observed: ObservedRequest[] = [];
  const apiOptions: ApiOptions = {
    chat: test.chat,
    ...(options.guests === false ? {} : { guests: playedGuests(test.addAccount) }),
    guestRate: null,
    log: test.log,
    metrics: { observeRequest: (it) => void observed.push(it) },
    trustProxy: 'loopback',
    corsOrigin: [],
    bodyBytes: 1024 * 1024,
    readiness: () => ({ ready: true, reasons: [], degraded: [], worker: 'w1', pid: process.pid }),
    renderMetrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
    version: '0.0.0-test',
    ...options.api,
  };
  const server = createServer(createApi(apiOptions));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const { port } = address;
  const conforms = conformance(waysOf(Object.values(createRoutes(apiOptions, () => '{}')).flat()));

  const call = async (line: string, it: Call = {}): Promise<Answer> => {
    const answer = await send(port, line, it);
    conforms(line, answer);
    return answer;
  };
  return {
    ...test,
    port,
    observed,
    call,
    ok: async (status, line, it) => {
      const answer = await call(line, it);
      assert.equal(answer.status, status, `${line}: ${answer.text.slice(0, 500)}`);
      return answer.json;
    },
    refused: async (status, error, line, it) => {
      const answer = await call(line, it);
      assert.deepEqual([answer.status, answer.json.error], [status, error], `${line}: ${answer.text.slice(0, 500)}`);
      return answer;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await test.close();
    },
  };
}

const playedGuests = (addAccount: TestChat['addAccount']): GuestAccounts => {
  let made = 0;
  return {
    createGuest: async (name) => {
      made += 1;
      const user = `guest-${made}`;
      const account = { user, type: 1, name, roles: ['user'], expiresAt: Date.now() + 60_000 } satisfies Account;
      return { ...account, token: addAccount(user, account) };
    },
  };
};

function send(port: number, line: string, { token, body, headers = {} }: Call): Promise<Answer> {
  const [method = '', path = ''] = line.split(' ', 2);
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const bytes = body === undefined ? undefined : raw ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const req = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: false,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(bytes === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(bytes)) }),
        ...headers,
      },
    });
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('error', reject);
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => {
        const all = Buffer.concat(chunks);
        const text = all.toString();
        const isJson = /json/.test(res.headers['content-type'] ?? '') && text !== '';
        const flat = Object.entries(res.headers).map(([name, value]) => [name, [value].flat().join(', ')]);
        const json = isJson ? z.record(z.string(), z.unknown()).parse(JSON.parse(text)) : {};
        resolve({ status: res.statusCode ?? 0, headers: Object.fromEntries(flat), text, bytes: all, json });
      });
    });
    req.end(bytes);
  });
}

/** What is not documented must not be answered. */
function conformance(ways: readonly Way[]): (line: string, answer: Answer) => void {
  return (line, { status, headers, json, text }) => {
    assert.match(headers['x-request-id'] ?? '', /^[\w.-]{1,64}$/, line);
    const [method = '', target = ''] = line.split(' ', 2);
    if (headers['content-type'] === 'application/problem+json') {
      if (method === 'HEAD') return;
      const { instance, requestId } = problem.strict().parse(json);
      assert.equal(instance, target.replace(/\?.*$/s, ''), line);
      assert.equal(requestId, headers['x-request-id']);
      assert.equal(json.status, status);
      return;
    }
    const path = target.replace(/\?.*$/s, '');
    const way = ways.find((it) => it.method === method.toLowerCase() && createMethodsOf([it])(path).length > 0);
    if (!way) return;
    const documented = way.route.responses[status];
    assert.ok(documented, `${line} answered ${status}, which is not documented: ${text.slice(0, 300)}`);
    if (documented.schema) {
      const { schema } = documented;
      (schema instanceof z.ZodObject && !schema.def.catchall ? schema.strict() : schema).parse(json);
    } else if (!documented.contentTypes) assert.equal(text, '', line);
  };
}
