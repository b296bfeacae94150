import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggedMessage } from './room-journal.ts';

const TIMEOUT_MS = 5000;
/** A server that is being restarted under the test is asked again this long. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 250;
const PAGE = 200;

/** The answer was clear, and not what was asked for. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;

  constructor(call: string, status: number, text: string) {
    super(`${call} answered ${status}: ${text.slice(0, 300)}`);
    this.status = status;
  }
}

/** The REST calls of a verification, as any client would make them: what has no clear answer is asked again. */
export class PublicApi {
  readonly url: string;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '');
  }

  /** Rejects with `Refused` (404) where there are no guests. */
  async createGuest(name: string): Promise<string> {
    return (await this.#call<{ token: string }>('POST', '/v1/accounts/guest', undefined, { name })).token;
  }

  async createRoom(token: string, name: string): Promise<string> {
    return (await this.#call<{ id: string }>('POST', '/v1/chat/rooms', token, { name })).id;
  }

  async joinRoom(token: string, room: string): Promise<void> {
    await this.#call('PUT', `/v1/chat/rooms/${encodeURIComponent(room)}/members/me`, token);
  }

  async deleteRoom(token: string, room: string): Promise<void> {
    await this.#call('DELETE', `/v1/chat/rooms/${encodeURIComponent(room)}`, token);
  }

  /** The room's whole log, oldest first. */
  async readHistory(token: string, room: string): Promise<LoggedMessage[]> {
    const all: LoggedMessage[] = [];
    for (;;) {
      const path = `/v1/chat/rooms/${encodeURIComponent(room)}/messages?after=${all.at(-1)?.seq ?? 0}&limit=${PAGE}`;
      const page = await this.#call<{ messages: LoggedMessage[]; hasMore: boolean }>('GET', path, token);
      all.push(...page.messages);
      if (!page.hasMore) return all;
    }
  }

  async #call<T>(method: string, path: string, token?: string, body?: unknown): Promise<T> {
    const endsAt = performance.now() + PATIENCE_MS;
    for (;;) {
      const answer = await this.#attempt(method, path, token, body).catch((cause: unknown) => {
        if (performance.now() > endsAt) throw new Error(`${method} ${path} got no answer`, { cause });
      });
      if (answer !== undefined) {
        const { status, text } = answer;
        if (status < 300) return (text === '' ? undefined : JSON.parse(text)) as T;
        const isLater = status === 429 || status >= 500;
        if (!isLater || performance.now() > endsAt) throw new Refused(`${method} ${path}`, status, text);
      }
      const waitMs = Number(answer?.retryAfter ?? 0) * 1000;
      await sleep(Math.max(waitMs, AGAIN_MS));
    }
  }

  /** The whole answer: of a server that dies there may be only the beginning. */
  async #attempt(method: string, path: string, token?: string, body?: unknown) {
    const answer = await fetch(this.url + path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), text: await answer.text() };
  }
}
