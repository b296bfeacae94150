import { type Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface Call {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Keeps connections; absent, each call has a connection of its own, and so goes to the next worker. */
  readonly agent?: Agent;
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: T;
  readonly text: string;
}

const TIMEOUT_MS = 15_000;

/** One request, as any HTTP client makes it; rejects when no whole answer comes. */
export function rest<T = unknown>(url: string, line: string, call: Call = {}): Promise<Answer<T>> {
  const [method, path = '/'] = line.split(' ');
  const { token, body, headers, agent = false } = call;
  const payload = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, url),
      {
        ...(method === undefined ? {} : { method }),
        agent,
        timeout: TIMEOUT_MS,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('error', reject);
        answer.on('end', () => {
          const json = /json/.test(answer.headers['content-type'] ?? '');
          const parsed: T = json && text !== '' ? JSON.parse(text) : undefined;
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: parsed, text });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${line}: no answer in ${TIMEOUT_MS} ms`)));
    sent.on('error', reject);
    sent.end(payload);
  });
}

export interface Guest {
  readonly user: string;
  readonly name: string;
  readonly token: string;
}

export async function createGuest(url: string, name: string): Promise<Guest> {
  return (await expectStatus(201, rest<Guest>(url, 'POST /v1/accounts/guest', { body: { name } }))).body;
}

export async function createRoom(url: string, token: string, name: string): Promise<string> {
  const made = await expectStatus(201, rest<{ id: string }>(url, 'POST /v1/chat/rooms', { token, body: { name } }));
  return made.body.id;
}

export async function joinRoom(url: string, token: string, room: string): Promise<void> {
  await expectStatus(201, rest(url, `PUT /v1/chat/rooms/${room}/members/me`, { token }));
}

export async function expectStatus<T>(status: number, answer: Promise<Answer<T>>): Promise<Answer<T>> {
  const got = await answer;
  if (got.status !== status) throw new Error(`answered ${got.status} and not ${status}: ${got.text}`);
  return got;
}

export interface StoredMessage {
  readonly id: string;
  readonly seq: number;
  readonly owner: string;
  readonly message: string;
  readonly clientId?: string | undefined;
  readonly inReplyTo?: string | undefined;
}

/** The room's whole log, oldest first. */
export async function readHistory(url: string, token: string, room: string): Promise<StoredMessage[]> {
  const all: StoredMessage[] = [];
  for (;;) {
    const query = `after=${all.at(-1)?.seq ?? 0}&limit=200`;
    const line = `GET /v1/chat/rooms/${room}/messages?${query}`;
    const { body } = await expectStatus(
      200,
      rest<{ messages: StoredMessage[]; hasMore: boolean }>(url, line, { token }),
    );
    all.push(...body.messages);
    if (!body.hasMore) return all;
  }
}
