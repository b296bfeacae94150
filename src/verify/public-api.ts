import { setTimeout as sleep } from 'node:timers/promises';
import type { LoggedMessage } from './room-journal.ts';

const TIMEOUT_MS = 5000;
/** A server that is being restarted under the test is asked again this long; one that never answered is not there. */
const PATIENCE_MS = 30_000;
const FIRST_PATIENCE_MS = 3000;
const AGAIN_MS = 250;
const PAGE = 200;

/**
 * The REST calls of a verification, as any client would make them: what has no clear answer is asked again. Calls reject
 * with a sentence that says what was answered, or why nothing was.
 */
export class PublicApi {
  readonly url: string;
  #patienceMs = FIRST_PATIENCE_MS;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '');
  }

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
    const startedAt = performance.now();
    const isPatient = () => performance.now() < startedAt + this.#patienceMs;
    for (;;) {
      const answer = await this.#attempt(method, path, token, body).catch((cause: unknown) => {
        if (isPatient()) return;
        this.#patienceMs = 0; // it is gone: nothing more is waited for
        throw new Error(`${this.url} does not answer ${method} ${path}: ${reasonOf(cause)}`, { cause });
      });
      if (answer !== undefined) {
        const { status, text } = answer;
        this.#patienceMs = PATIENCE_MS;
        if (status < 300) return (text === '' ? undefined : JSON.parse(text)) as T;
        const isLater = status === 429 || status >= 500;
        if (!isLater || !isPatient()) {
          throw new Error(`${method} ${path} answered ${status}: ${text.slice(0, 300)}`);
        }
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

/** `fetch` itself says no more than that it failed. */
function reasonOf(thrown: unknown): string {
  const { message, cause } = thrown as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.message || cause?.code || message || String(thrown);
}
