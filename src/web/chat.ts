import { type Client, type Me, type Message, ParleyError, type Room, type RoomMessages } from '../sdk/client.ts';
import {
  type ChatState,
  entryOf,
  initialState,
  type RoomEntry,
  selectedRoom,
  standing,
  unread,
  withEntry,
} from './chat-state.ts';
import { explain } from './explain.ts';
import { may } from './permissions.ts';
import { readMarks } from './read-marks.ts';
import { type Member, type RoomPatch, restApi } from './rest.ts';
import { sending } from './sending.ts';
import { recallTexts, remember } from './storage.ts';
import { Store } from './store.ts';
import { typing } from './typing.ts';

/** Views of rooms that were shown before stay in step, so that going back to them is instant. */
const MAX_VIEWS = 12;
/** Changes of a room come in bursts: one look at it is enough. */
const RELOAD_MS = 150;

export type Chat = ReturnType<typeof createChat>;

/** What the page does: the client's events go into the store, the views' wishes to the server. */
export function createChat(
  client: Client,
  token: () => string,
  notify: (text: string, kind?: 'error' | 'info') => void,
) {
  const store = new Store<ChatState>(initialState);
  const rest = restApi(token);
  const reads = readMarks(store, client);
  const outgoing = sending(store, client);
  const writing = typing(store, client);
  const views = new Map<string, RoomMessages>();
  const offs: (() => void)[] = [];
  let reload: ReturnType<typeof setTimeout> | undefined;

  const isMe = (user: string): boolean => user === store.state.me?.user;

  /** Runs what a person asked for; tells them when it fails. True when it was done. */
  const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      notify(explain(error));
      return false;
    }
  };

  const setRoom = (id: string, patch: Partial<RoomEntry>): void => {
    const known = store.state.rooms.get(id);
    if (known !== undefined) store.set({ rooms: withEntry(store.state.rooms, id, { ...known, ...patch }) });
  };

  /** `whole`: an absent role means none. A push of a change goes to all members alike, so it tells no role. */
  const putRoom = (room: Room | RoomEntry, whole = true): void => {
    const known = store.state.rooms.get(room.id);
    const headSeq = known?.epoch === room.epoch ? Math.max(known.headSeq, room.headSeq) : room.headSeq;
    const { role: told, ...entry } = entryOf(room);
    const role = told ?? (whole || !room.isUser ? undefined : known?.role);
    const now = { ...entry, headSeq, ...(role === undefined ? {} : { role }) };
    store.set({ rooms: withEntry(store.state.rooms, room.id, now) });
    if (room.isUser) reads.begin(room.id, headSeq);
  };

  const setMember = (user: string, member: Member | undefined): void => {
    const { members } = store.state;
    if (members !== undefined) store.set({ members: withEntry(members, user, member) });
  };

  const drop = (id: string): void => {
    views.get(id)?.close();
    views.delete(id);
  };

  const viewOf = (id: string): RoomMessages => {
    const known = views.get(id);
    if (known !== undefined) {
      views.delete(id);
      views.set(id, known);
      return known;
    }
    const made = client.messages(id);
    made.onChange((change) => {
      if (change.kind === 'appended' || change.kind === 'prepended') outgoing.settle(change.messages);
    });
    views.set(id, made);
    for (const oldest of views.keys()) {
      if (views.size <= MAX_VIEWS) break;
      drop(oldest);
    }
    return made;
  };

  const deselect = (): void => {
    store.set({ selected: undefined, view: undefined, members: undefined, newAfter: undefined });
  };

  /** Reads the selected room anew: members, presence, marks, and the subscription of a room one is no member of. */
  const refresh = async (id: string): Promise<void> => {
    const { users, present, ...room } = await client.open(id);
    if (store.state.selected !== id) return;
    const online = new Set(present);
    const members = new Map(users.map((it) => [it.user, { ...it, online: it.online || online.has(it.user) }]));
    const isUser = members.has(store.state.me?.user ?? '');
    const version = store.state.rooms.get(id)?.version ?? 0;
    putRoom({ ...room, isUser, version });
    if (isUser) reads.learn(id, room.readSeq);
    store.set({ members });
  };

  const reloadMembers = async (id: string): Promise<void> => {
    const [users, room] = await Promise.all([rest.members(id), rest.room(id)]);
    if (store.state.selected !== id) return;
    store.set({ members: new Map(users.map((it) => [it.user, it])) });
    putRoom(room);
  };

  const select = async (id: string): Promise<void> => {
    const { selected } = store.state;
    if (selected === id) return;
    writing.stop();
    if (selected !== undefined && store.state.rooms.get(selected)?.isUser !== true) drop(selected);
    const room = store.state.rooms.get(id);
    const newAfter = room !== undefined && unread(store.state, room) > 0 ? store.state.reads.get(id) : undefined;
    store.set({ selected: id, view: viewOf(id), members: undefined, newAfter });
    try {
      await refresh(id);
    } catch (error) {
      if (store.state.selected !== id) return;
      notify(explain(error));
      if (error instanceof ParleyError && !error.retry) {
        drop(id);
        deselect();
      }
    }
  };

  const gone = (id: string): void => {
    store.set({ rooms: withEntry(store.state.rooms, id, undefined) });
    drop(id);
    if (store.state.selected === id) deselect();
  };

  const onAuthenticated = (me: Me): void => {
    store.set({ me });
    reads.load(me.user);
    const { selected } = store.state;
    if (selected !== undefined) {
      refresh(selected).catch((error) => {
        if (error instanceof ParleyError && !error.retry) gone(selected);
      });
    }
  };

  const onMessage = (message: Message): void => {
    const room = store.state.rooms.get(message.chatroom);
    if (room !== undefined && message.seq > room.headSeq) setRoom(room.id, { headSeq: message.seq });
    if (isMe(message.owner)) reads.learn(message.chatroom, message.seq);
    writing.heard(message.chatroom, message.owner, undefined);
    outgoing.settle([message]);
  };

  const onRemoved = (id: string, reason: 'left' | 'removed' | 'banned' | 'deleted'): void => {
    const room = store.state.rooms.get(id);
    if (room === undefined) return;
    if (reason !== 'left') notify(`You were ${wasDone[reason]} “${room.name}”.`, 'info');
    if (reason === 'deleted' || room.visibility === 'private') {
      gone(id);
      return;
    }
    const { role: _gone, ...rest } = room;
    store.set({ rooms: withEntry(store.state.rooms, id, { ...rest, isUser: false }) });
    if (store.state.selected !== id) {
      drop(id);
      return;
    }
    // Whoever only left reads on; whoever is banned does not.
    refresh(id).catch(() => {
      drop(id);
      if (store.state.selected === id) deselect();
    });
  };

  offs.push(
    client.on('state', (connection) => store.set({ connection })),
    client.on('authenticated', onAuthenticated),
    client.on('rooms', ({ rooms, next }) => {
      if (next === undefined) {
        const told = new Set(rooms.map((it) => it.id));
        const kept = [...store.state.rooms].filter(([id]) => told.has(id) || id === store.state.selected);
        store.set({ rooms: new Map(kept) });
      }
      store.set({ moreRooms: next !== undefined });
      for (const room of rooms) putRoom(room);
    }),
    client.on('room', (room) => {
      putRoom(room, false);
      if (room.id !== store.state.selected) return;
      clearTimeout(reload);
      // What the push does not tell: roles and slow mode. Should it fail, opening the room anew tells as well.
      reload = setTimeout(() => reloadMembers(room.id).catch(() => {}), RELOAD_MS);
    }),
    client.on('message', onMessage),
    client.on('join', ({ chatroom, user, name, count }) => {
      setRoom(chatroom, { count });
      if (isMe(user)) {
        setRoom(chatroom, { isUser: true });
        reads.begin(chatroom, store.state.rooms.get(chatroom)?.headSeq ?? 0);
      }
      if (chatroom !== store.state.selected || store.state.members?.has(user)) return;
      setMember(user, { user, name, role: 'member', online: true });
    }),
    client.on('leave', ({ chatroom, user, count }) => {
      setRoom(chatroom, { count });
      if (chatroom === store.state.selected) setMember(user, undefined);
    }),
    client.on('removed', ({ chatroom, reason }) => onRemoved(chatroom, reason)),
    client.on('presence', ({ user, status }) => {
      const member = store.state.members?.get(user);
      if (member !== undefined) setMember(user, { ...member, online: status === 1 });
    }),
    client.on('typing', ({ chatroom, user, name, status }) => {
      if (!isMe(user)) writing.heard(chatroom, user, status === 1 ? name : undefined);
    }),
    client.on('read', ({ chatroom, user, seq }) => {
      if (isMe(user)) reads.learn(chatroom, seq);
    }),
    client.on('failure', ({ id, detail, error, code, event }) => {
      if (id !== undefined && event === 'message') outgoing.failed(id);
      else if (event !== 'writing') notify(detail ?? `${event} failed (${code ?? error})`);
    }),
  );

  store.set({ bans: recallTexts('bans') });
  const keepBans = (room: string, user: string, name: string | undefined): void => {
    store.set({ bans: withEntry(store.state.bans, `${room}/${user}`, name) });
    remember('bans', Object.fromEntries(store.state.bans));
  };

  return {
    store,
    rest,
    select,
    deselect,
    attempt,

    createRoom: (room: { name: string; topic: string; visibility: 'public' | 'private' }): Promise<boolean> =>
      attempt(async () => {
        const made = await client.createRoom(room);
        putRoom({ ...made, isUser: true, role: 'owner' });
        await select(made.id);
      }),

    join: (id: string): Promise<boolean> =>
      attempt(async () => {
        const { headSeq } = await client.join(id);
        setRoom(id, { isUser: true, role: 'member' });
        reads.learn(id, headSeq);
        if (store.state.selected === id) await refresh(id);
      }),

    leave: (id: string): Promise<boolean> => attempt(() => client.leave(id)),

    patchRoom: (room: RoomEntry, patch: RoomPatch): Promise<boolean> =>
      attempt(async () => {
        try {
          putRoom(await rest.patchRoom(room.id, room.version, patch));
        } catch (error) {
          if (error instanceof ParleyError && error.data?.status === 412) putRoom(await rest.room(room.id));
          throw error;
        }
      }),

    deleteRoom: (id: string): Promise<boolean> =>
      attempt(async () => {
        await rest.deleteRoom(id);
        gone(id);
      }),

    setRole: (room: string, user: string, role: Member['role']): Promise<boolean> =>
      attempt(async () => {
        await rest.setMember(room, user, { role });
        await reloadMembers(room);
      }),

    addMember: (room: string, { user, ...member }: { user: string; name?: string }): Promise<boolean> =>
      attempt(() => rest.setMember(room, user, member)),

    removeMember: (room: string, user: string): Promise<boolean> =>
      attempt(async () => {
        await rest.removeMember(room, user);
        if (store.state.selected === room) setMember(user, undefined);
      }),

    ban: (room: string, member: Member, ban: { until?: string; reason?: string }): Promise<boolean> =>
      attempt(async () => {
        await rest.ban(room, member.user, ban);
        keepBans(room, member.user, member.name);
        if (store.state.selected === room) setMember(member.user, undefined);
      }),

    unban: (room: string, user: string): Promise<boolean> =>
      attempt(async () => {
        await rest.unban(room, user);
        keepBans(room, user, undefined);
        notify('The ban is lifted.', 'info');
      }),

    send: outgoing.send,
    retry: outgoing.retry,
    discard: outgoing.discard,

    editMessage: (message: Message, text: string): Promise<boolean> =>
      attempt(() => rest.editMessage(message.chatroom, message.id, text)),

    deleteMessage: (message: Message): Promise<boolean> =>
      attempt(() => rest.deleteMessage(message.chatroom, message.id)),

    mayEdit: (message: Message): boolean =>
      may.editMessage(standing(store.state), { ...message, own: isMe(message.owner) }),

    mayDelete: (message: Message): boolean =>
      may.deleteMessage(standing(store.state), { ...message, own: isMe(message.owner) }),

    markRead(seq: number): void {
      const room = selectedRoom(store.state);
      if (room?.isUser === true) reads.read(room.id, seq);
    },

    clearNewLine: (): void => store.set({ newAfter: undefined }),

    typed: (room: string): void => writing.typed(room),
    stoppedTyping: (): void => writing.stop(),

    loadAllRooms: (): Promise<boolean> =>
      attempt(async () => {
        for (const room of await client.rooms(2000)) putRoom(room);
        store.set({ moreRooms: false });
      }),

    /** Public rooms that were not told of, by a part of their name. */
    async findRooms(q: string): Promise<void> {
      for (const room of await rest.searchRooms(q)) putRoom(room);
    },

    retryNow: (): void => client.retryNow(),

    close(): void {
      for (const off of offs) off();
      clearTimeout(reload);
      writing.close();
      outgoing.close();
      reads.close();
      client.close();
    },
  };
}

const wasDone = { removed: 'removed from', banned: 'banned from', deleted: 'in a room that was deleted:' } as const;
