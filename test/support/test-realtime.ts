import { strict as assert } from 'node:assert';
import { createServer, type Server } from 'node:http';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { z } from 'zod';
import type { ErrorCode } from '../../src/chat/errors.ts';
import { createRoom } from '../../src/chat/manage-rooms.ts';
import type { Account, RoomId } from '../../src/chat/model.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { postMessage } from '../../src/chat/post-message.ts';
import { openRealtime, type Realtime, type RealtimeOptions } from '../../src/realtime/open-realtime.ts';
import {
  CLIENT_EVENTS,
  type ClientEvent,
  NAMESPACE,
  type PushOf,
  SERVER_EVENTS,
  type ServerEvent,
} from '../../src/wire/socket.ts';
import { eventually } from './eventually.ts';
import { openTestChat, type TestChat, type TestChatOptions } from './test-chat.ts';

export interface TestRealtimeOptions extends TestChatOptions {
  readonly realtime?: Partial<RealtimeOptions>;
}

export type Ack = Record<string, unknown> & { error: number; code?: string };
export type Heard = { readonly event: string; readonly push: unknown };

/** A plain socket.io-client that remembers all it hears; each push and ack is held to its schema, word for word. */
export interface TestClient {
  readonly socket: Socket;
  readonly user: string;
  readonly heard: Heard[];
  readonly pushes: <E extends ServerEvent>(event: E) => PushOf<E>[];
  /** The first push, heard or to come, that fits. */
  readonly push: <E extends ServerEvent>(event: E, fits?: (push: PushOf<E>) => boolean) => Promise<PushOf<E>>;
  /** Emits with an ack. */
  readonly ask: (event: string, payload?: unknown) => Promise<Ack>;
  /** Asks and expects no error. */
  readonly done: (event: ClientEvent, payload?: unknown) => Promise<Ack>;
  /** Asks and expects the error. */
  readonly refused: (error: number, event: string, payload?: unknown) => Promise<Ack>;
  /** A round trip: all that was sent to this client before has arrived. */
  readonly settled: () => Promise<void>;
  /** Why the connection ended, once it has. */
  readonly gone: (withinMs?: number) => Promise<string>;
}

export interface TestRealtime extends TestChat {
  readonly server: Server;
  readonly port: number;
  readonly url: string;
  readonly realtime: Realtime;
  /** Codes of what clients asked, in order. */
  readonly observed: { event: string; code: ErrorCode | 'ok' }[];
  readonly connections: () => number;
  readonly cuts: () => number;
  readonly account: (user: string, facts?: Partial<Account>) => Account;
  readonly connect: (user: string, options?: ConnectOptions) => Promise<TestClient>;
  /** A client that is not connected yet. */
  readonly open: (token: string | undefined, options?: ConnectOptions) => Socket;
  readonly room: (owner: string, facts?: { name?: string; visibility?: 'public' | 'private' }) => Promise<RoomId>;
  readonly post: (user: string, room: RoomId, text: string) => Promise<number>;
  /** Fails when anything of clients that are gone is still held. */
  readonly assertReleased: () => Promise<void>;
}

export interface ConnectOptions extends Partial<ManagerOptions & SocketOptions> {
  readonly facts?: Partial<Account>;
  readonly token?: string;
}

let rooms = 0;

/** The Socket.IO edge on a real server, on a free port of the loopback. */
export async function openTestRealtime(options: TestRealtimeOptions = {}): Promise<TestRealtime> {
  const test = await openTestChat(options);
  const observed: TestRealtime['observed'] = [];
  let connections = 0;
  let cuts = 0;
  const server = createServer((_request, response) => response.writeHead(404).end());
  const realtime = openRealtime(server, {
    chat: test.chat,
    worker: '1',
    corsOrigin: [],
    pingIntervalMs: 15_000,
    pingTimeoutMs: 10_000,
    maxPayloadBytes: 1024 * 1024,
    unread: { bytes: 1024 * 1024, ms: 10_000 },
    maxHandshakes: 50,
    allowQueryToken: false,
    allowEio3: false,
    revalidateMs: 55_000,
    rateText: '20/10s',
    ...options.realtime,
    observe: {
      delivered: () => {},
      connected: (change) => {
        connections += change;
      },
      event: (event, code) => void observed.push({ event, code }),
      slowConsumerCut: () => {
        cuts += 1;
      },
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const url = `http://127.0.0.1:${address.port}`;
  const sockets: Socket[] = [];
  /** What was pushed and is not as described. */
  const faults: string[] = [];
  const accountOf = (user: string, facts: Partial<Account> = {}): Account => ({
    user,
    type: 1,
    name: `Name of ${user}`,
    roles: ['user'],
    ...facts,
  });

  const open = (token: string | undefined, { facts: _facts, token: _token, ...it }: ConnectOptions = {}): Socket => {
    const socket = io(`${url}${NAMESPACE}`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      autoConnect: false,
      ...it,
      auth: typeof it.auth === 'object' ? { token, ...it.auth } : { token },
    });
    sockets.push(socket);
    return socket;
  };

  return {
    ...test,
    server,
    port: address.port,
    url,
    realtime,
    observed,
    connections: () => connections,
    cuts: () => cuts,
    account: accountOf,
    open,
    connect: async (user, it = {}) => {
      const socket = open(it.token ?? test.addAccount(user, it.facts ?? {}), it);
      const client = testClient(user, socket, faults);
      const refused = new Promise<never>((_resolve, reject) => socket.once('connect_error', reject));
      socket.connect();
      await Promise.race([client.push('authentication'), refused]);
      await client.settled();
      return client;
    },
    room: async (owner, { name, visibility = 'public' } = {}) => {
      rooms += 1;
      const input = { name: name ?? `Room ${rooms}`, visibility };
      return (await createRoom(test.chat, accountOf(owner), input)).room.id;
    },
    post: async (user, room, text) => {
      const posted = await postMessage(test.chat, accountOf(user), room, { message: text });
      assert.ok(posted.kind === 'message');
      return posted.seq;
    },
    assertReleased: async () => {
      await eventually('every connection is gone', () => connections === 0);
      // What waits now is to be let go: feeds that linger, typing that goes off. What is held for ever stays.
      await eventually('nothing is held', async () => {
        test.skipWaits();
        // What is held sets up the next wait when its answer is there.
        await new Promise((resolve) => setTimeout(resolve, 20));
        return test.chat.hub.feeds.size === 0 && test.waiting() === 0;
      });
      assert.deepEqual([...test.online], []);
    },
    close: async () => {
      for (const socket of sockets) socket.disconnect();
      realtime.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await test.close();
      assert.deepEqual(faults, []);
    },
  };
}

const failedAck = z.strictObject({
  error: z.int().positive(),
  code: z.string(),
  detail: z.string().min(1),
  retry: z.literal(true).optional(),
  retryAfterMs: z.int().positive().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});

const strict = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodObject
    ? schema.strict()
    : schema instanceof z.ZodUnion
      ? z.union(schema.options.map((it) => strict(it as z.ZodType)))
      : schema;

const PUSHES = new Map(Object.entries(SERVER_EVENTS).map(([event, schema]) => [event, strict(schema)]));
const ACKS = new Map(Object.entries(CLIENT_EVENTS).map(([event, { ack }]) => [event, strict(ack)]));

/** The store with some of its calls in other hands. */
export const around = (store: Store, others: Partial<Store>): Store =>
  new Proxy(store, {
    get: (target, name) => {
      const it: unknown = Reflect.get(others, name) ?? Reflect.get(target, name);
      return typeof it === 'function' ? it.bind(target) : it;
    },
  });

async function found<T>(what: string, look: () => T | undefined, withinMs?: number): Promise<T> {
  const it = await eventually(what, look, withinMs);
  if (it === undefined) throw new Error(what);
  return it;
}

function testClient(user: string, socket: Socket, faults: string[]): TestClient {
  const heard: Heard[] = [];
  let reason: string | undefined;
  socket.on('disconnect', (it) => {
    reason = it;
  });
  socket.onAny((event: string, push: unknown, ...more: unknown[]) => {
    heard.push({ event, push });
    const fits = more.length === 0 && PUSHES.get(event)?.safeParse(push).success === true;
    if (!fits) faults.push(`${user} heard ${event} ${JSON.stringify([push, ...more]).slice(0, 500)}`);
  });
  const pushes = <E extends ServerEvent>(event: E): PushOf<E>[] =>
    heard.filter((it) => it.event === event).map((it) => it.push as PushOf<E>);
  const ask = async (event: string, payload?: unknown): Promise<Ack> => {
    const args = payload === undefined ? [] : [payload];
    const ack: Ack = await socket.timeout(10_000).emitWithAck(event, ...args);
    if (ack.error !== 0) failedAck.parse(ack);
    else ACKS.get(event)?.parse(ack);
    return ack;
  };
  return {
    socket,
    user,
    heard,
    pushes,
    push: (event, fits = () => true) => found(`${user} hears ${event}`, () => pushes(event).find(fits)),
    ask,
    done: async (event, payload) => {
      const ack = await ask(event, payload);
      assert.equal(ack.error, 0, `${event}: ${JSON.stringify(ack)}`);
      return ack;
    },
    refused: async (error, event, payload) => {
      const ack = await ask(event, payload);
      assert.equal(ack.error, error, `${event} ${JSON.stringify(payload)?.slice(0, 200)}: ${JSON.stringify(ack)}`);
      return ack;
    },
    settled: async () => {
      await ask('no such event');
    },
    gone: (withinMs = 5000) => found(`${user} is cut`, () => reason, withinMs),
  };
}
