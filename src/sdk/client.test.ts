import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Server, type Socket } from 'socket.io';
import type { FailedAck } from '../wire/socket.ts';
import { type Client, type ClientOptions, connect, type LogChange, type Message, ParleyError } from './client.ts';

type Ack = (answer: unknown) => void;
interface DoubleRoom {
  epoch: string;
  rev: number;
  messages: Message[];
  members: Set<string>;
}

/** Speaks the events of the chat over real sockets; what it answers and pushes can be lost or refused on purpose. */
class Double {
  readonly rooms = new Map<string, DoubleRoom>();
  readonly tokens = new Map<string, string>();
  readonly seen: { event: string; payload: Record<string, unknown> }[] = [];
  /** Refuses a connection when it returns something. */
  admit: (token: string) => { error: number; code: string } | undefined = () => undefined;
  /** Comes before the answer of an event: an ack to give in its place, or `silence`. */
  before: (event: string, payload: Record<string, unknown>) => FailedAck | 'silence' | undefined = () => undefined;
  /** The same after the event was done. */
  after: (event: string) => 'silence' | undefined = () => undefined;
  deaf = false;
  connects = 0;
  #io: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const http = createServer();
    const io = new Server(http, { serveClient: false });
    this.#io = io;
    const namespace = io.of('/v1/channel');
    namespace.use((socket, next) => {
      const token = String(socket.handshake.auth.token);
      const user = this.tokens.get(token);
      const problem = this.admit(token) ?? (user === undefined ? { error: 1000, code: 'invalid_token' } : undefined);
      if (problem !== undefined) {
        next(Object.assign(new Error(problem.code), { data: problem }));
        return;
      }
      socket.data.user = user;
      next();
    });
    namespace.on('connection', (socket) => this.#serve(socket));
    await new Promise<void>((resolve) => http.listen(this.#port, '127.0.0.1', resolve));
    const address = http.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#port = address.port;
  }

  async stop(): Promise<void> {
    await this.#io?.close();
    this.#io = undefined;
  }

  room(id: string, ...members: string[]): DoubleRoom {
    const made: DoubleRoom = { epoch: 'e1', rev: 0, messages: [], members: new Set(members) };
    this.rooms.set(id, made);
    return made;
  }

  post(id: string, text: string, more: Partial<Message> = {}): Message {
    const room = this.#get(id);
    const seq = room.messages.length + 1;
    const message: Message = {
      id: `${room.epoch}.${seq}`,
      chatroom: id,
      seq,
      owner: 'other',
      ownerName: 'Other',
      type: 1,
      message: text,
      createdAt: '2026-01-01T00:00:00.000Z',
      ...more,
    };
    room.messages.push(message);
    this.push(id, 'message', message);
    return message;
  }

  edit(id: string, seq: number, text: string): void {
    const room = this.#get(id);
    const was = room.messages[seq - 1];
    if (was === undefined) throw new Error('no such message');
    room.rev += 1;
    room.messages[seq - 1] = { ...was, message: text, rev: room.rev };
    this.push(id, 'message:updated', { chatroom: id, id: was.id, seq, rev: room.rev, message: text });
  }

  push(id: string, event: string, payload: unknown): void {
    if (!this.deaf) this.#io?.of('/v1/channel').to(id).emit(event, payload);
  }

  all(event: string, payload: unknown): void {
    this.#io?.of('/v1/channel').emit(event, payload);
  }

  cut(): void {
    this.#io?.of('/v1/channel').disconnectSockets(true);
  }

  payloads(event: string): Record<string, unknown>[] {
    return this.seen.filter((it) => it.event === event).map((it) => it.payload);
  }

  #get(id: string): DoubleRoom {
    const room = this.rooms.get(id);
    if (room === undefined) throw new Error(`no room ${id}`);
    return room;
  }

  #serve(socket: Socket): void {
    this.connects += 1;
    const user = String(socket.data.user);
    for (const [id, room] of this.rooms) if (room.members.has(user)) void socket.join(id);
    const me = { user, type: 1, name: user, roles: ['user'], node: 'n1' };
    const limits = { messageBytes: 1024, imageBytes: 1024, page: 50, rate: '20/10s' };
    socket.emit('authentication', { ...me, limits });
    socket.onAny((event: string, payload: Record<string, unknown>, ack: Ack) => {
      this.seen.push({ event, payload });
      const instead = this.before(event, payload);
      if (instead === 'silence') return;
      const answer = instead ?? this.#answer(socket, user, event, payload);
      if (this.after(event) !== 'silence') ack(answer);
    });
  }

  #answer(socket: Socket, user: string, event: string, payload: Record<string, unknown>): unknown {
    const id = String(payload.chatroom);
    const room = this.rooms.get(id);
    if (event === 'resume') return { error: 0, rooms: this.#resume(payload.rooms as Record<string, Cursor>) };
    if (event === 'authenticate') {
      return this.tokens.get(String(payload.token)) === user
        ? { error: 0 }
        : { error: 1000, code: 'invalid_token', detail: 'the token is refused' };
    }
    if (room === undefined) return { error: 600, code: 'invalid_chatroom', detail: 'there is no such room' };
    switch (event) {
      case 'message': {
        const text = String(payload.message);
        const clientId = String(payload.clientId);
        if (text.startsWith('/')) return { error: 0, id: 'c1', command: text.slice(1) };
        const first = room.messages.find((it) => it.owner === user && it.clientId === clientId);
        const kept = first ?? this.post(id, text, { owner: user, ownerName: user, clientId });
        return { error: 0, id: kept.id, seq: kept.seq, createdAt: kept.createdAt, ...(first && { replayed: true }) };
      }
      case 'history': {
        const before = Number(payload.before ?? Number.POSITIVE_INFINITY);
        const limit = Number(payload.limit ?? 50);
        const messages = room.messages.filter((it) => it.seq < before).reverse();
        const page = { messages: messages.slice(0, limit), hasMore: messages.length > limit, limit };
        return { error: 0, epoch: room.epoch, firstSeq: 1, headSeq: room.messages.length, ...page };
      }
      case 'switch':
        void socket.join(id);
        return { error: 0, data: { id, epoch: room.epoch, headSeq: room.messages.length, users: [], messages: [] } };
      case 'join':
        room.members.add(user);
        void socket.join(id);
        return { error: 0, id, epoch: room.epoch, rev: room.rev, headSeq: room.messages.length };
      default:
        return { error: 0, id };
    }
  }

  #resume(cursors: Record<string, Cursor>): Record<string, unknown> {
    const answers: Record<string, unknown> = {};
    for (const [id, { seq, rev }] of Object.entries(cursors)) {
      const room = this.rooms.get(id);
      if (room === undefined) {
        answers[id] = { error: 600, code: 'invalid_chatroom' };
        continue;
      }
      const messages = room.messages.filter((it) => it.seq > seq);
      const changed = rev === undefined ? [] : room.messages.filter((it) => (it.rev ?? 0) > rev && it.seq <= seq);
      answers[id] = {
        epoch: room.epoch,
        rev: room.rev,
        messages: messages.slice(0, 50),
        changed,
        headSeq: room.messages.length,
        hasMore: messages.length > 50,
      };
    }
    return answers;
  }
}

type Cursor = { seq: number; rev?: number };

/** Waits for a condition, not for a time. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const rejection = async (promise: Promise<unknown>): Promise<ParleyError> => {
  const error = await promise.then(
    () => undefined,
    (it: unknown) => it,
  );
  if (!(error instanceof ParleyError)) throw new Error(`expected a ParleyError, got ${String(error)}`);
  return error;
};

const texts = (view: { list: readonly Message[] }): string[] => view.list.map((it) => it.message);

describe('connect', () => {
  let server: Double;
  const clients: Client[] = [];

  const client = (options: Partial<ClientOptions> = {}): Client => {
    const made = connect(server.url, {
      token: 'ada',
      reconnect: { minMs: 5, maxMs: 40 },
      timeoutMs: 2000,
      deadlineMs: 5000,
      ...options,
    });
    clients.push(made);
    return made;
  };

  beforeEach(async () => {
    server = new Double();
    server.tokens.set('ada', 'ada').set('ada2', 'ada').set('bob', 'bob');
    await server.start();
  });

  afterEach(async () => {
    for (const it of clients.splice(0)) it.close();
    await server.stop();
  });

  it('knows who it is once it is ready', async () => {
    const ada = client();
    expect(ada.me).toBeUndefined();
    expect((await ada.ready()).user).toBe('ada');
    expect(ada.state).toBe('online');
    expect(ada.me?.limits.page).toBe(50);
  });

  describe('send', () => {
    it('resolves with the receipt, and with the command where it was one', async () => {
      server.room('r', 'ada');
      const ada = client();
      expect(await ada.send('r', 'hello')).toMatchObject({ kind: 'message', seq: 1, replayed: false });
      expect(await ada.send('r', '/hello=you')).toMatchObject({ kind: 'command', id: 'c1', command: 'hello=you' });
      expect(server.rooms.get('r')?.messages.map((it) => it.message)).toEqual(['hello']);
    });

    it('sends the same clientId again when the answer is lost: stored once', async () => {
      server.room('r', 'ada');
      let lost = 0;
      server.after = (event) => (event === 'message' && lost++ < 2 ? 'silence' : undefined);
      const sent = await client().send('r', 'once', { timeoutMs: 50, clientId: 'mine' });
      expect(sent).toMatchObject({ kind: 'message', seq: 1, clientId: 'mine', replayed: true });
      expect(server.payloads('message').map((it) => it.clientId)).toEqual(['mine', 'mine', 'mine']);
      expect(server.rooms.get('r')?.messages.length).toBe(1);
    });

    it('sends it again after the connection was cut and the server restarted', async () => {
      server.room('r', 'ada');
      const ada = client();
      await ada.ready();
      let lost = 0;
      server.after = (event) => (event === 'message' && lost++ < 1 ? 'silence' : undefined);
      const sending = ada.send('r', 'over the restart');
      await until('the first attempt', () => server.payloads('message').length === 1);
      await server.stop();
      await until('offline', () => ada.state !== 'online');
      await server.start();
      expect(await sending).toMatchObject({ seq: 1, replayed: true });
    });

    it('waits as long as it is told to when it is too fast', async () => {
      server.room('r', 'ada');
      let tooFast = 0;
      const failed = { error: 429, code: 'rate_limited', detail: 'slow down', retry: true, retryAfterMs: 120 };
      server.before = (event) => (event === 'message' && tooFast++ < 1 ? failed : undefined);
      const begun = Date.now();
      await client().send('r', 'patient');
      expect(Date.now() - begun).toBeGreaterThanOrEqual(120);
      expect(server.payloads('message').length).toBe(2);
    });

    it('rejects at once when the server refuses, and lets the next one go', async () => {
      server.room('r', 'ada');
      const ada = client();
      const refused = { error: 602, code: 'cannot_send', detail: 'members only' };
      server.before = (event, payload) => (event === 'message' && payload.message === 'no' ? refused : undefined);
      const [no, yes] = [ada.send('r', 'no', { clientId: 'x' }), ada.send('r', 'yes')];
      expect(await rejection(no)).toMatchObject({ error: 602, code: 'cannot_send', retry: false, clientId: 'x' });
      expect(await yes).toMatchObject({ seq: 1 });
      expect(server.payloads('message').length).toBe(2);
    });

    it('keeps the order of a room when the first has to be repeated', async () => {
      server.room('r', 'ada');
      const ada = client();
      let away = 0;
      const failed = { error: 612, code: 'try_again', detail: 'the store is away', retry: true, retryAfterMs: 30 };
      server.before = (event) => (event === 'message' && away++ < 2 ? failed : undefined);
      await Promise.all(['1', '2', '3'].map((it) => ada.send('r', it)));
      expect(server.rooms.get('r')?.messages.map((it) => it.message)).toEqual(['1', '2', '3']);
    });

    it('gives up at the deadline and says that the outcome is unknown', async () => {
      server.room('r', 'ada');
      server.before = (event) => (event === 'message' ? 'silence' : undefined);
      const error = await rejection(client().send('r', 'x', { timeoutMs: 40, deadlineMs: 150, clientId: 'c' }));
      expect(error).toMatchObject({ retry: true, unknown: true, clientId: 'c' });
      const tries = server.payloads('message').length;
      expect(tries).toBeGreaterThan(1);
    });

    it('gives up at the deadline when there never was a connection', async () => {
      await server.stop();
      const error = await rejection(client().send('r', 'x', { deadlineMs: 60 }));
      expect(error).toMatchObject({ code: 'not_connected', unknown: false });
    });
  });

  describe('messages', () => {
    it('shows the newest page, then what comes, then what is older', async () => {
      const room = server.room('r', 'ada');
      for (let i = 1; i <= 120; i += 1) server.post('r', `m${i}`);
      const ada = client();
      const view = ada.messages('r');
      await view.ready();
      expect([view.list.length, view.list[0]?.seq, view.state]).toEqual([50, 71, 'live']);
      server.post('r', 'new');
      await until('the push', () => view.list.at(-1)?.message === 'new');
      const kinds: string[] = [];
      view.onChange((it) => kinds.push(it.kind));
      expect(await view.loadOlder()).toBe(50);
      const both = await Promise.all([view.loadOlder(), view.loadOlder()]);
      expect(both).toEqual([20, 20]);
      expect(await view.loadOlder()).toBe(0);
      expect(kinds).toEqual(['prepended', 'prepended']);
      expect(view.list).toEqual(room.messages);
      expect(view.hasOlder).toBe(false);
    });

    it('gives every message after a seq to an iterator, over pages, cuts and restarts', async () => {
      const room = server.room('r', 'ada');
      for (let i = 1; i <= 130; i += 1) server.post('r', `m${i}`);
      const ada = client();
      const view = ada.messages('r', { after: 10 });
      const got: number[] = [];
      const reading = (async () => {
        for await (const message of view) {
          got.push(message.seq);
          if (message.message === 'last') break;
        }
      })();
      await until('the first stretch', () => got.length === 120);
      server.cut();
      server.post('r', 'while away');
      await until('back', () => got.includes(131));
      await server.stop();
      server.post('r', 'while down');
      await server.start();
      await until('back again', () => got.includes(132));
      server.post('r', 'last');
      await reading;
      expect(got).toEqual(room.messages.slice(10).map((it) => it.seq));
    });

    it('repairs a push that was lost, as soon as the next one shows it', async () => {
      const room = server.room('r', 'ada');
      server.post('r', 'a');
      const view = client().messages('r');
      await view.ready();
      server.deaf = true;
      server.post('r', 'lost');
      server.deaf = false;
      server.post('r', 'c');
      await until('the repair', () => view.list.length === 3 && view.state === 'live');
      expect(view.list).toEqual(room.messages);
    });

    it('applies edits live and those that were missed', async () => {
      const room = server.room('r', 'ada');
      for (const it of ['a', 'b', 'c']) server.post('r', it);
      const ada = client();
      const view = ada.messages('r');
      await view.ready();
      server.edit('r', 1, 'A');
      await until('the edit', () => view.list[0]?.message === 'A');
      server.deaf = true;
      server.edit('r', 2, 'B');
      server.cut();
      await until('the missed edit', () => view.list[1]?.message === 'B');
      server.deaf = false;
      expect(view.list).toEqual(room.messages);
      expect(server.payloads('resume').at(-1)).toEqual({ rooms: { r: { seq: 3, rev: 1 } } });
    });

    it('drops all and reloads when the room’s log was restored', async () => {
      const room = server.room('r', 'ada');
      for (const it of ['a', 'b', 'c', 'd']) server.post('r', it);
      const view = client().messages('r');
      await view.ready();
      const kinds: LogChange['kind'][] = [];
      view.onChange((it) => kinds.push(it.kind));
      await server.stop();
      room.epoch = 'e2';
      room.messages.splice(0);
      server.post('r', 'restored');
      await server.start();
      await until('the new log', () => texts(view).join() === 'restored');
      expect(kinds).toEqual(['reset', 'prepended']);
      server.post('r', 'next');
      await until('the next', () => texts(view).join() === 'restored,next');
    });

    it('resumes all its rooms after a reconnect, 500 in a call', async () => {
      const ids = Array.from({ length: 620 }, (_, i) => `r${i}`);
      for (const id of ids) server.room(id, 'ada');
      const ada = client();
      const views = ids.map((id) => ada.messages(id));
      await Promise.all(views.map((it) => it.ready()));
      const before = server.payloads('resume').length;
      for (const id of ids) server.post(id, 'hello');
      server.cut();
      for (const id of ids) server.post(id, 'again');
      await until('all of them', () => views.every((it) => it.list.length === 2 && it.state === 'live'));
      const sizes = server.payloads('resume').map((it) => Object.keys(it.rooms ?? {}).length);
      expect(Math.max(...sizes)).toBe(500);
      expect(server.payloads('resume').length - before).toBeLessThan(8);
    });

    it('says why a room cannot be seen, and shows it once it can', async () => {
      const ada = client();
      const view = ada.messages('secret');
      expect(await rejection(view.ready())).toMatchObject({ error: 600 });
      expect(view.state).toBe('left');
      server.room('secret');
      server.post('secret', 'hidden');
      await ada.join('secret');
      await until('the view', () => view.state === 'live');
      expect(texts(view)).toEqual(['hidden']);
    });

    it('stops when this user was removed, and ends its iterators', async () => {
      server.room('r', 'ada');
      const view = client().messages('r');
      const reading = (async () => {
        for await (const _ of view);
      })();
      await view.ready();
      server.push('r', 'removed', { chatroom: 'r', reason: 'banned' });
      expect(await rejection(reading)).toMatchObject({
        code: 'not_a_member',
        detail: 'you were banned from this room',
      });
    });

    it('reads a public room along, over reconnects', async () => {
      server.room('public');
      const ada = client();
      await ada.open('public');
      const view = ada.messages('public');
      await view.ready();
      server.cut();
      await until('the second switch', () => server.payloads('switch').length === 2);
      await until('live again', () => view.state === 'live');
      server.post('public', 'along');
      await until('the push', () => texts(view).join() === 'along');
    });

    it('tries again when the server is too busy to answer', async () => {
      server.room('r', 'ada');
      server.post('r', 'a');
      let busy = 0;
      const failed = { error: 612, code: 'try_again', detail: 'the store is away', retry: true };
      server.before = (event) => (event === 'resume' && busy++ < 3 ? failed : undefined);
      const view = client().messages('r');
      await view.ready();
      expect(texts(view)).toEqual(['a']);
    });
  });

  describe('the connection', () => {
    it('comes back after the server ended it', async () => {
      const ada = client();
      await ada.ready();
      const states: string[] = [];
      ada.on('state', (it) => states.push(it.state));
      server.cut();
      await until('online', () => states.at(-1) === 'online');
      expect(states).toEqual(['offline', 'connecting', 'online']);
    });

    it('tries on while the server cannot tell whether the token is good', async () => {
      let away = 0;
      server.admit = () => (away++ < 3 ? { error: 1003, code: 'account_service' } : undefined);
      await client().ready();
      expect(server.connects).toBe(1);
      expect(away).toBe(4);
    });

    it('ends with a refused token, and goes on with another', async () => {
      const ada = client({ token: 'nobody' });
      expect(await rejection(ada.ready())).toMatchObject({ error: 1000, code: 'invalid_token', retry: false });
      expect(ada.state).toBe('expired');
      await ada.authenticate('ada');
      expect([ada.state, ada.me?.user]).toEqual(['online', 'ada']);
    });

    it('asks its token function again when a token is refused, until it has no other', async () => {
      const given = ['old', 'ada', 'ada'];
      let asked = 0;
      const ada = client({ token: async () => given[asked++] ?? 'ada' });
      await ada.ready();
      expect(asked).toBe(2);
      server.tokens.delete('ada');
      server.cut();
      await until('expired', () => ada.state === 'expired');
      expect(asked).toBe(4);
    });

    it('renews a token that runs out in place', async () => {
      let asked = 0;
      const ada = client({ token: () => (asked++ === 0 ? 'ada' : 'ada2') });
      const me = await ada.ready();
      server.all('authentication', { ...me, expired: true });
      await until('the new token', () => server.payloads('authenticate').some((it) => it.token === 'ada2'));
      expect([ada.state, server.connects]).toEqual(['online', 1]);
    });

    it('is expired when a fixed token runs out, does not come back by itself, and can be renewed', async () => {
      const ada = client();
      const me = await ada.ready();
      server.all('authentication', { ...me, expired: true });
      await until('expired', () => ada.state === 'expired');
      server.cut();
      expect(await rejection(ada.ready())).toMatchObject({ error: 1000 });
      await until('the cut', () => server.connects === 1);
      await ada.authenticate('ada2');
      expect([ada.state, server.connects]).toEqual(['online', 2]);
    });

    it('moves on after a drain, not before the time it is told', async () => {
      const ada = client();
      await ada.ready();
      const begun = Date.now();
      let back = 0;
      ada.on('authenticated', () => {
        back = Date.now();
      });
      server.all('drain', { retryAfterMs: 120 });
      await until('the move', () => server.connects === 2 && back > 0);
      expect(back - begun).toBeGreaterThanOrEqual(120);
    });

    it('waits out a drain when the server is gone before', async () => {
      const ada = client();
      await ada.ready();
      let back = 0;
      const begun = Date.now();
      ada.on('drain', () => server.cut());
      ada.on('authenticated', () => {
        back = Date.now();
      });
      server.all('drain', { retryAfterMs: 150 });
      await until('the return', () => back > 0);
      expect(back - begun).toBeGreaterThanOrEqual(150);
    });

    it('brings the rooms of a resync in step even when it is not cut', async () => {
      server.room('r', 'ada');
      const ada = client();
      const view = ada.messages('r');
      await view.ready();
      server.deaf = true;
      server.post('r', 'unread');
      server.all('resync', { rooms: ['r'] });
      await until('the message', () => texts(view).join() === 'unread');
    });

    it('passes on what is no message', async () => {
      server.room('r', 'ada');
      const ada = client();
      await ada.ready();
      const heard: unknown[] = [];
      ada.on('typing', (it) => heard.push(it.name));
      ada.on('presence', (it) => heard.push(it.status));
      ada.on('failure', (it) => heard.push(it.error));
      ada.on('rooms', (it) => heard.push(it.rooms.length));
      server.push('r', 'writing', { chatroom: 'r', user: 'b', name: 'Bob', status: 1 });
      server.push('r', 'status', { user: 'b', status: 2 });
      server.push('r', 'failure', { event: 'message', error: 611 });
      server.push('r', 'chatrooms', { rooms: [] });
      await until('all of it', () => heard.length === 4);
      expect(heard).toEqual(['Bob', 2, 611, 0]);
    });

    it('does not repeat the creation of a room whose answer was lost', async () => {
      server.before = (event) => (event === 'chatroom' ? 'silence' : undefined);
      const error = await rejection(client({ timeoutMs: 60 }).createRoom({ name: 'once' }));
      expect(error).toMatchObject({ unknown: true });
      expect(server.payloads('chatroom').length).toBe(1);
    });

    it('ends everything that waits when it is closed', async () => {
      server.room('r', 'ada');
      const ada = client();
      const view = ada.messages('r');
      await view.ready();
      server.before = (event) => (event === 'message' ? 'silence' : undefined);
      const sending = rejection(ada.send('r', 'x'));
      await until('the attempt', () => server.payloads('message').length === 1);
      ada.close();
      expect((await sending).detail).toBe('this client was closed');
      expect([ada.state, view.state]).toEqual(['closed', 'closed']);
      expect(await rejection(ada.ready())).toMatchObject({ code: 'not_connected' });
    });
  });
});
