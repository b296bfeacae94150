import type { Me, Room, RoomMessages, RoomPush, StateChange } from '../sdk/client.ts';
import { may, type Role, type Standing } from './permissions.ts';
import type { Member } from './rest.ts';

/** A room as the page knows it: from lists, pushes and from having it opened. */
export type RoomEntry = RoomPush;

/** A message of one's own that is not in the room's log (yet). */
export interface Pending {
  readonly clientId: string;
  readonly room: string;
  readonly text: string;
  /** As a data URL. */
  readonly image?: string;
  readonly inReplyTo?: string;
  readonly at: string;
  /** `asked`: a bot has the command and has not answered yet. */
  readonly phase: 'sending' | 'asked' | 'failed';
  readonly commandId?: string;
  readonly problem?: string;
}

export interface ChatState {
  readonly me: Me | undefined;
  readonly connection: StateChange;
  readonly rooms: ReadonlyMap<string, RoomEntry>;
  /** The server has more rooms than it told of. */
  readonly moreRooms: boolean;
  /** Up to where each room was read. */
  readonly reads: ReadonlyMap<string, number>;
  readonly selected: string | undefined;
  readonly view: RoomMessages | undefined;
  /** Where the line between read and new messages is drawn in the selected room. */
  readonly newAfter: number | undefined;
  /** Of the selected room; undefined until they are known. */
  readonly members: ReadonlyMap<string, Member> | undefined;
  /** Room → user → name. */
  readonly typing: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly pending: readonly Pending[];
  /** Users banned by this browser, room by room: the server has no list of them to give. */
  readonly bans: ReadonlyMap<string, string>;
}

export const initialState: ChatState = {
  me: undefined,
  connection: { state: 'connecting' },
  rooms: new Map(),
  moreRooms: false,
  reads: new Map(),
  selected: undefined,
  view: undefined,
  newAfter: undefined,
  members: undefined,
  typing: new Map(),
  pending: [],
  bans: new Map(),
};

export const selectedRoom = (state: ChatState): RoomEntry | undefined =>
  state.selected === undefined ? undefined : state.rooms.get(state.selected);

export function standing(state: ChatState): Standing {
  const room = selectedRoom(state);
  const own: Role | undefined = room?.isUser === true ? (room.role ?? 'member') : undefined;
  const role = room?.isUser && room.owner === state.me?.user ? 'owner' : own;
  return { role, admin: state.me?.roles.includes('admin') ?? false };
}

export const mayModerate = (state: ChatState): boolean => may.moderate(standing(state));

/** Messages that came since the room was last read. */
export const unread = (state: ChatState, room: RoomEntry): number =>
  room.isUser ? Math.max(0, room.headSeq - (state.reads.get(room.id) ?? room.headSeq)) : 0;

export function totalUnread(state: ChatState): number {
  let sum = 0;
  for (const room of state.rooms.values()) sum += unread(state, room);
  return sum;
}

export const entryOf = (room: Room | RoomPush): RoomEntry => ({
  id: room.id,
  name: room.name,
  topic: room.topic,
  visibility: room.visibility,
  owner: room.owner,
  count: room.count,
  isUser: room.isUser,
  headSeq: room.headSeq,
  rev: room.rev,
  version: room.version,
  epoch: room.epoch,
  ...(room.role === undefined ? {} : { role: room.role }),
  slowModeMs: room.slowModeMs,
});

/** A copy with one entry replaced, or taken out when the value is undefined. */
export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V | undefined): ReadonlyMap<K, V> {
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}
