import type { z } from 'zod';
import type { room as roomShape } from '../wire/room.ts';
import type { ClientEvent, DoneAckOf, PayloadOf, PushOf } from '../wire/socket.ts';
import { CatchUp } from './catch-up.ts';
import { Connection, type ConnectionOptions, type Me, type State, type StateChange } from './connection.ts';
import { Listeners } from './listeners.ts';
import { type Commanded, newClientId, Outbox, type Outgoing, type Sent } from './outbox.ts';
import { ParleyError } from './parley-error.ts';
import type { Message } from './room-log.ts';
import { type MessagesOptions, RoomMessages } from './room-messages.ts';

export type { Me, State, StateChange, TokenSource } from './connection.ts';
export { type Commanded, newClientId, type Outgoing, type Sent } from './outbox.ts';
export { ParleyError } from './parley-error.ts';
export type { Change, LogChange, LogStart, Message } from './room-log.ts';
export type { MessagesOptions, MessagesState, RoomMessages } from './room-messages.ts';

export type Room = z.infer<typeof roomShape>;
export type RoomPush = PushOf<'chatroom'>;
/** A room as `open` reads it: what it is, who is in it, who of them is online, and this user's read mark. */
export type OpenedRoom = DoneAckOf<'switch'>['data'];

export interface ClientOptions extends ConnectionOptions {
  /** How long one attempt of any call waits for its answer; 6 s, since the server answers within 5. */
  readonly timeoutMs?: number;
  /** How long any call but `send` is tried for; 20 s. */
  readonly deadlineMs?: number;
}

export interface SendOptions {
  /** The same one again is the same message: use it to send after an unknown outcome or a restart of your program. */
  readonly clientId?: string;
  /** How long one attempt waits for its acknowledgement. */
  readonly timeoutMs?: number;
  /** How long to try, in milliseconds; 60 s. */
  readonly deadlineMs?: number;
}

export interface ClientEvents {
  state: StateChange;
  /** Each time the connection is up: who this client is, and the server's limits. */
  authenticated: Me;
  /** The rooms this user may see, at each connect; the rest of them by {@link Client.rooms}. */
  rooms: PushOf<'chatrooms'>;
  /** A room came to be or changed. */
  room: RoomPush;
  join: PushOf<'join'>;
  leave: PushOf<'leave'>;
  /** This user is no longer in that room, and why. */
  removed: PushOf<'removed'>;
  /** As it comes: maybe twice, and not what was missed. {@link Client.messages} is the ordered view. */
  message: Message;
  typing: PushOf<'writing'>;
  presence: PushOf<'status'>;
  read: PushOf<'read'>;
  failure: PushOf<'failure'>;
  /** The server shuts down; the client moves on by itself. */
  drain: PushOf<'drain'>;
}

export type Client = ReturnType<typeof connect>;

/**
 * Connects to a Parley server and stays connected until {@link Client.close}: over lost networks, restarts of the
 * server and expired tokens (with a token function). Works in browsers and in Node.
 *
 * Every call rejects with {@link ParleyError}. All but `createRoom` are repeated while that may help.
 *
 * @param url of the server, e.g. `http://127.0.0.1:3000`; empty for the page's own.
 */
export function connect(url: string, options: ClientOptions) {
  const { timeoutMs = 6000, deadlineMs = 20_000 } = options;
  const connection = new Connection(url, options);
  const events = new Listeners<ClientEvents>();
  const outbox = new Outbox();
  const views = new Set<RoomMessages>();
  let opened: string | undefined;

  const ask = <E extends ClientEvent>(event: E, payload: PayloadOf<E>, repeat = true): Promise<DoneAckOf<E>> =>
    connection.request(event, payload, { timeoutMs, deadline: Date.now() + deadlineMs, repeat });

  const catchUp = new CatchUp(
    async (rooms) => (await connection.call('resume', { rooms }, timeoutMs)).rooms,
    () => connection.state === 'online',
    { minMs: options.reconnect?.minMs ?? 250, maxMs: 5000 },
  );

  const of = (room: string): RoomMessages[] => [...views].filter((it) => it.room === room);
  const revive = (room: string): void => {
    for (const view of of(room)) view.revive();
  };

  /** A room that is only read is followed until the connection ends: say it again before asking what was missed. */
  const reopen = async (): Promise<void> => {
    const room = opened;
    if (room === undefined) return;
    try {
      await connection.call('switch', { chatroom: room, limit: 1 }, timeoutMs);
    } catch (error) {
      if (error instanceof ParleyError && !error.retry && opened === room) opened = undefined;
    }
  };

  const onOnline = async (): Promise<void> => {
    await reopen();
    for (const view of views) {
      if (view.state !== 'left' || view.room === opened) view.revive();
    }
    catchUp.run();
  };

  const onRoom = (room: RoomPush): void => {
    for (const view of of(room.id)) {
      if (view.state !== 'left') view.epochIs(room.epoch);
      else if (room.isUser) view.revive();
    }
  };

  connection.events.on('opened', () => {
    for (const view of views) view.suspend();
  });
  connection.events.on('drain', (push) => events.tell('drain', push));
  connection.events.on('state', (change) => {
    events.tell('state', change);
    if (change.state !== 'online' || connection.me === undefined) return;
    events.tell('authenticated', connection.me);
    void onOnline();
  });
  connection.onPush('chatroom', (push) => {
    onRoom(push);
    events.tell('room', push);
  });
  connection.onPush('chatrooms', (push) => {
    push.rooms.forEach(onRoom);
    events.tell('rooms', push);
  });
  connection.onPush('join', (push) => {
    if (push.user === connection.me?.user) revive(push.chatroom);
    events.tell('join', push);
  });
  connection.onPush('leave', (push) => events.tell('leave', push));
  connection.onPush('removed', (push) => {
    const detail = removedDetails[push.reason];
    for (const view of of(push.chatroom)) view.left({ error: 605, code: 'not_a_member', detail });
    events.tell('removed', push);
  });
  connection.onPush('message', (push) => {
    for (const view of of(push.chatroom)) view.push(push);
    events.tell('message', push);
  });
  connection.onPush('message:updated', (push) => {
    for (const view of of(push.chatroom)) view.change(push);
  });
  connection.onPush('message:deleted', (push) => {
    for (const view of of(push.chatroom)) view.change(push);
  });
  connection.onPush('resync', (push) => {
    // The server ends this connection after it; should it not, this brings the rooms in step all the same.
    for (const room of push.rooms) {
      for (const view of of(room)) {
        view.suspend();
        catchUp.ask(view);
      }
    }
  });
  connection.onPush('writing', (push) => events.tell('typing', push));
  connection.onPush('status', (push) => events.tell('presence', push));
  connection.onPush('read', (push) => events.tell('read', push));
  connection.onPush('failure', (push) => events.tell('failure', push));

  return {
    /** Resolves with who this client is as soon as it is online; rejects when its token is refused. */
    ready: (): Promise<Me> => connection.ready(),

    /** Who this client is; undefined before the first connect. */
    get me(): Me | undefined {
      return connection.me;
    },

    get state(): State {
      return connection.state;
    },

    /** The returned function ends the listening. */
    on: <E extends keyof ClientEvents>(name: E, listener: (event: ClientEvents[E]) => void): (() => void) =>
      events.on(name, listener),

    /** Goes on with a new token of the same user; resolves when it is accepted. */
    authenticate: (token: string): Promise<Me> => connection.authenticate(token),

    /** Tries to connect at once when the next attempt is waited for. */
    retryNow: (): void => connection.retryNow(),

    /** All rooms this user may see; at most `max` of them. */
    async rooms(max = Number.POSITIVE_INFINITY): Promise<Room[]> {
      const rooms: Room[] = [];
      let cursor: string | undefined;
      do {
        const page = await ask('chatrooms', cursor === undefined ? {} : { cursor });
        rooms.push(...page.rooms);
        cursor = page.next;
      } while (cursor !== undefined && rooms.length < max);
      return rooms.slice(0, max);
    },

    /** Not repeated when the answer is lost, which rejects as `unknown`: the room may be there, its name taken. */
    createRoom: (room: PayloadOf<'chatroom'>): Promise<Room> => ask('chatroom', room, false),

    /** Becomes a member; of a room where one is a member already, too. */
    async join(room: string): Promise<DoneAckOf<'join'>> {
      const ack = await ask('join', { chatroom: room });
      revive(room);
      return ack;
    },

    /** Stops being a member. */
    async leave(room: string): Promise<void> {
      await ask('leave', { chatroom: room });
    },

    /**
     * Reads a room and who is in it. A public room of which one is no member is followed from then on, until another
     * one is opened; over reconnects too.
     */
    async open(room: string, limit = 1): Promise<OpenedRoom> {
      const { data } = await ask('switch', { chatroom: room, limit });
      opened = room;
      revive(room);
      return data;
    },

    /**
     * Sends a text, an image or a bot command (`/stock=…`). The same `clientId` is sent again after a time-out, a lost
     * connection or an answer with `retry`, until the server has stored it, refuses it, or `deadlineMs` have passed;
     * it is stored once. Messages of a room leave one after the other, in order.
     */
    send(room: string, body: string | Outgoing, send: SendOptions = {}): Promise<Sent | Commanded> {
      const clientId = send.clientId ?? newClientId();
      const payload = { chatroom: room, ...(typeof body === 'string' ? { message: body } : body), clientId };
      const request = {
        timeoutMs: send.timeoutMs ?? timeoutMs,
        deadline: Date.now() + (send.deadlineMs ?? 60_000),
        repeat: true,
      };
      return outbox.send(room, clientId, async () => {
        const ack = await connection.request('message', payload, request);
        return 'command' in ack
          ? { kind: 'command', id: ack.id, clientId, command: ack.command }
          : {
              kind: 'message',
              id: ack.id,
              clientId,
              seq: ack.seq,
              createdAt: ack.createdAt,
              replayed: ack.replayed ?? false,
            };
      });
    },

    /** The ordered view of a room's messages, which stays in step until it is closed. */
    messages(room: string, view: MessagesOptions = {}): RoomMessages {
      const made = new RoomMessages(room, view, {
        history: (query) => ask('history', { chatroom: room, ...query }),
        catchUp: (it) => catchUp.ask(it),
        forget: (it) => {
          views.delete(it);
          catchUp.forget(it);
        },
      });
      views.add(made);
      catchUp.ask(made);
      return made;
    },

    /** A page of history as it is: newest first, or oldest first with `after`. */
    history: (query: PayloadOf<'history'>): Promise<DoneAckOf<'history'>> => ask('history', query),

    /** Tells the room that this user is typing, or no longer. Best effort: nothing is sent while offline. */
    typing(room: string, on: boolean): void {
      connection.say('writing', { chatroom: room, status: on ? 1 : 0 });
    },

    /** Marks a room as read up to `seq`. */
    async read(room: string, seq: number): Promise<void> {
      await ask('read', { chatroom: room, seq });
    },

    /** Ends the connection and all views for good. */
    close(): void {
      for (const view of [...views]) view.close();
      catchUp.close();
      connection.close();
    },
  };
}

const removedDetails: Record<PushOf<'removed'>['reason'], string> = {
  left: 'you left this room',
  removed: 'you were removed from this room',
  banned: 'you were banned from this room',
  deleted: 'this room was deleted',
};
