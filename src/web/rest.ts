import type { z } from 'zod';
import { type Message, ParleyError, type Room } from '../sdk/client.ts';
import type { guest } from '../wire/account.ts';
import type { problem } from '../wire/problem.ts';
import type { ban, member, roomList, roomPatch } from '../wire/room.ts';

export type Member = z.infer<typeof member>;
export type Guest = z.infer<typeof guest>;
export type RoomPatch = z.input<typeof roomPatch>;
export type Ban = z.input<typeof ban>;

const TIMEOUT_MS = 15_000;

interface Call {
  readonly method?: string;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function request(path: string, { method = 'GET', token, body, headers = {} }: Call): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      credentials: 'omit',
      redirect: 'error',
    });
  } catch (cause) {
    throw new ParleyError({ error: 603, code: 'not_connected', detail: 'no answer', retry: true }, { cause });
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/** Proxies answer with pages of their own, so a body that is no problem document is no surprise. */
async function failure(response: Response): Promise<ParleyError> {
  const told = (await response.json().catch(() => ({}))) as Partial<z.infer<typeof problem>>;
  const seconds = Number(response.headers.get('retry-after'));
  return new ParleyError({
    error: told.error ?? response.status,
    code: told.code ?? (response.status >= 500 ? 'try_again' : `http_${response.status}`),
    detail: told.detail ?? told.title ?? `the server answered ${response.status}`,
    retry: response.status === 429 || response.status === 503,
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
    data: { ...told.data, status: response.status },
  });
}

const at = (...parts: string[]): string => `/v1/chat/rooms/${parts.map(encodeURIComponent).join('/')}`;

/** A development account; undefined where the server has none to give and a token must be brought along. */
export async function createGuest(name: string): Promise<Guest | undefined> {
  try {
    const response = await request('/v1/accounts/guest', { method: 'POST', body: { name } });
    return (await response.json()) as Guest;
  } catch (error) {
    const status = error instanceof ParleyError ? error.data?.status : undefined;
    if (status === 404 || status === 405) return undefined;
    throw error;
  }
}

/** The calls that have no event on the socket. */
export function restApi(token: () => string) {
  const call = (path: string, more: Call = {}): Promise<Response> => request(path, { ...more, token: token() });

  return {
    room: async (id: string): Promise<Room> => (await (await call(at(id))).json()) as Room,

    searchRooms: async (q: string): Promise<Room[]> => {
      const query = new URLSearchParams({ q, limit: '50' });
      const list = (await (await call(`/v1/chat/rooms?${query}`)).json()) as z.infer<typeof roomList>;
      return list.rooms;
    },

    patchRoom: async (id: string, version: number, patch: RoomPatch): Promise<Room> => {
      const headers = { 'if-match': `"${version}"` };
      return (await (await call(at(id), { method: 'PATCH', body: patch, headers })).json()) as Room;
    },

    deleteRoom: async (id: string): Promise<void> => {
      await call(at(id), { method: 'DELETE' });
    },

    members: async (id: string): Promise<Member[]> => {
      const list = (await (await call(at(id, 'members'))).json()) as { users: Member[] };
      return list.users;
    },

    setMember: async (id: string, user: string, member: { role?: Member['role']; name?: string }): Promise<void> => {
      await call(at(id, 'members', user), { method: 'PUT', body: member });
    },

    removeMember: async (id: string, user: string): Promise<void> => {
      await call(at(id, 'members', user), { method: 'DELETE' });
    },

    ban: async (id: string, user: string, ban: Ban): Promise<void> => {
      await call(at(id, 'bans', user), { method: 'PUT', body: ban });
    },

    unban: async (id: string, user: string): Promise<void> => {
      await call(at(id, 'bans', user), { method: 'DELETE' });
    },

    message: async (id: string, message: string): Promise<Message> =>
      (await (await call(at(id, 'messages', message))).json()) as Message,

    editMessage: async (id: string, message: string, text: string): Promise<void> => {
      await call(at(id, 'messages', message), { method: 'PATCH', body: { message: text } });
    },

    deleteMessage: async (id: string, message: string): Promise<void> => {
      await call(at(id, 'messages', message), { method: 'DELETE' });
    },

    /** The bytes behind an image message. The token goes to this page's own origin only. */
    image: async (path: string): Promise<Blob> => {
      const url = new URL(path, location.origin);
      if (url.origin !== location.origin) throw new Error('an image of another origin');
      return await (await call(url.pathname)).blob();
    },
  };
}
