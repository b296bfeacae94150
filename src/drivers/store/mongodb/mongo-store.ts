import { trusted } from 'mongoose';
import { noSuchRoom } from '../../../chat/errors.ts';
import type {
  Ban,
  Command,
  Head,
  Image,
  Member,
  Message,
  NewMessage,
  Receipt,
  Role,
  Room,
  RoomView,
  Standing,
} from '../../../chat/model.ts';
import type {
  Found,
  Joined,
  Left,
  NewRoom,
  RoomPatch,
  RoomQuery,
  Store,
  StoredReceipt,
  Window,
} from '../../../chat/ports/store.ts';
import type { Reach } from '../../../platform/reach.ts';
import { MessageAppender, type WriteStats } from './append-messages.ts';
import { CommandPutter, closeCommand, dropCommands, findCommand, findOpenCommands } from './command-writes.ts';
import {
  type EntryDocument,
  entryKey,
  type ReadMarkDocument,
  type RevocationDocument,
  type RoomDocument,
  type RoomKey,
  type StandingDocument,
  toMessage,
  toReceipt,
  toRoom,
} from './documents.ts';
import { receiptsOf } from './entry-receipts.ts';
import { readImage } from './images.ts';
import { addMember, ban, removeMember, setRole, tooManyRooms, unban } from './member-operations.ts';
import { deleteMessage, editMessage } from './message-operations.ts';
import { findMessagesOf } from './messages-of.ts';
import { type Database, MongoConnection, type MongoOptions } from './mongo-connection.ts';
import { countRoomsOf, idsOfRooms, listRooms, membershipsOf, roomIdsOf } from './room-list.ts';
import { findRoom, RoomPlaces, requireRoom } from './room-places.ts';
import { RoomTurns } from './room-turns.ts';
import { RoomViews } from './room-views.ts';
import { createRoom, deleteRoom, patchRoom, sweepDeletedRooms } from './room-writes.ts';
import { requireNumbers, requireTexts } from './storable.ts';
import { sweepTrimmedRooms, trimRoom } from './trim-rooms.ts';
import { raise } from './upsert.ts';

const SWEEP_MS = 60_000;

/**
 * The store on MongoDB, or on whatever speaks its protocol: no transactions, change streams, partial or text indexes, and
 * no code on the server. Every write is acknowledged by a majority, on disk; every read is of what a majority has, from the
 * primary. The files beside this one say how each promise of the port is kept: `append-messages.ts` for the log,
 * `room-turns.ts` for members and changes.
 */
export class MongoStore implements Store {
  /** Counters for metrics: committed batches, writes in them, operations that failed, heads that were looked for. */
  readonly stats: WriteStats = { batches: 0, writes: 0, failures: 0, headReads: 0 };
  readonly #places = new RoomPlaces();
  readonly #messages = new MessageAppender(this.#places, this.stats);
  readonly #commands = new CommandPutter(this.stats);
  readonly #turns = new RoomTurns(this.stats);
  readonly #views = new RoomViews(this.#places, (room) => {
    if (room.pending !== undefined) this.#connection.aside((database) => this.#turns.heal(database, room));
  });
  readonly #connection: MongoConnection;
  readonly #sweeps: NodeJS.Timeout;
  #isSweeping = false;

  /** Connects in the background; until that is done every call is rejected with `try_again`. */
  static open(options: MongoOptions): MongoStore {
    return new MongoStore(options);
  }

  private constructor(options: MongoOptions) {
    const onBack = () => {
      this.#sweep();
      options.onBack?.();
    };
    this.#connection = new MongoConnection({ ...options, onBack }, this.stats);
    this.#sweeps = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeps.unref();
  }

  get reach(): Reach {
    return this.#connection.reach;
  }

  /** Waits for the calls under way. */
  async close(): Promise<void> {
    clearInterval(this.#sweeps);
    await this.#connection.close();
  }

  createRoom(room: NewRoom, owner: { user: string; name: string }, maxRooms: number): Promise<Room> {
    return this.#connection.call(async (database) => {
      requireTexts(room.id, room.name, room.nameKey, room.topic, room.visibility, room.epoch, room.createdAt);
      requireTexts(owner.user, owner.name);
      if ((await countRoomsOf(database, owner.user, maxRooms)) >= maxRooms) throw tooManyRooms(maxRooms);
      const created = await createRoom(database, room, owner);
      // Several rooms at once may each have found a place to spare.
      if ((await countRoomsOf(database, owner.user, maxRooms + 1)) > maxRooms) {
        await deleteRoom(database, room.id, undefined, async () => 0);
        throw tooManyRooms(maxRooms);
      }
      this.#places.placeOf(created);
      return toRoom(created, 0);
    });
  }

  viewRoom(room: string, user: string): Promise<RoomView | undefined> {
    return this.#connection.call(async (database) => {
      requireTexts(room, user);
      return await this.#views.view(database, room, user);
    });
  }

  standing(room: string, user: string): Promise<Standing | undefined> {
    return this.#connection.call(async (database) => {
      requireTexts(room, user);
      return await this.#views.standing(database, room, user);
    });
  }

  patchRoom(room: string, patch: RoomPatch, ifVersion?: number): Promise<Room> {
    return this.#connection.call(async (database) => {
      requireTexts(room, patch.name, patch.nameKey, patch.topic, patch.visibility);
      requireNumbers(patch.slowModeMs, ifVersion);
      return await this.#views.roomOf(database, await patchRoom(database, room, patch, ifVersion));
    });
  }

  deleteRoom(room: string, ifVersion?: number): Promise<Room> {
    return this.#connection.call(async (database) => {
      requireTexts(room);
      requireNumbers(ifVersion);
      const deleted = await deleteRoom(database, room, ifVersion, (it) => this.#places.headOf(database, it));
      this.#places.forget(room);
      this.#sweep();
      return deleted;
    });
  }

  listRooms(query: RoomQuery): Promise<RoomView[]> {
    return this.#connection.call(async (database) => {
      requireTexts(query.user, query.q, query.after?.nameKey, query.after?.id);
      requireNumbers(query.limit);
      const memberships = await membershipsOf(database, query.user);
      const own = memberships.map(({ room }) => room);
      const rooms = await listRooms(database, query, own);
      return await this.#views.viewsOf(database, query.user, rooms, query.scope === 'mine' ? memberships : undefined);
    });
  }

  roomIdsOf(user: string): Promise<string[]> {
    return this.#connection.call(async (database) => {
      requireTexts(user);
      return await roomIdsOf(database, user);
    });
  }

  roomIds(limit: number, after = ''): Promise<string[]> {
    return this.#connection.call(async (database) => {
      requireTexts(after);
      requireNumbers(limit);
      return await idsOfRooms(database, limit, after);
    });
  }

  heads(rooms: readonly string[]): Promise<Map<string, Head>> {
    return this.#connection.call(async (database) => {
      requireTexts(...rooms);
      if (rooms.length === 0) return new Map();
      const { models, op } = database;
      const query = models.rooms.find({ id: trusted({ $in: [...new Set(rooms)] }), goneAt: null });
      const found = await op(query.lean<RoomDocument[]>().exec());
      const heads = await this.#views.headsOf(database, found);
      return new Map(
        found.map(({ id, firstSeq, rev, epoch }, i) => [id, { headSeq: heads[i] ?? 0, firstSeq, rev, epoch }]),
      );
    });
  }

  members(room: string): Promise<Member[]> {
    return this.#within([room], [], async ({ models, op }, key) => {
      const query = models.standings.find({ room: key, joined: trusted({ $gt: 0 }) }).sort({ joined: 1 });
      const members = await op(query.lean<StandingDocument[]>().exec());
      return members.map(({ user, name = '', role = 'member' }) => ({ user, name, role }));
    });
  }

  addMember(
    room: string,
    member: { user: string; name: string; at: string; role: Role },
    maxRooms: number,
  ): Promise<Joined> {
    return this.#connection.call(async (database) => {
      const { user } = member;
      requireTexts(room, user, member.name, member.at, member.role);
      const hasRoomToSpare = (await countRoomsOf(database, user, maxRooms)) < maxRooms;
      const joined = await this.#turns.run(database, room, addMember(member, hasRoomToSpare, maxRooms));
      // Several rooms joined at once may each have found a place to spare.
      if (joined.added && (await countRoomsOf(database, user, maxRooms + 1)) > maxRooms) {
        await this.#turns.run(database, room, removeMember(user));
        throw tooManyRooms(maxRooms);
      }
      const place = this.#places.known(room) ?? this.#places.placeOf(await requireRoom(database, room));
      return { ...joined, headSeq: await this.#places.readHead(database, room, place) };
    });
  }

  setRole(room: string, user: string, role: Role): Promise<Room> {
    return this.#connection.call(async (database) => {
      requireTexts(room, user, role);
      return await this.#views.roomOf(database, await this.#turns.run(database, room, setRole(user, role)));
    });
  }

  removeMember(room: string, user: string): Promise<Left> {
    return this.#connection.call((database) => {
      requireTexts(room, user);
      return this.#turns.run(database, room, removeMember(user));
    });
  }

  ban(room: string, it: Ban & { by: string; at: string }): Promise<Left> {
    return this.#connection.call((database) => {
      requireTexts(room, it.user, it.reason, it.by, it.at);
      requireNumbers(it.until);
      return this.#turns.run(database, room, ban(it));
    });
  }

  unban(room: string, user: string): Promise<void> {
    return this.#connection.call((database) => {
      requireTexts(room, user);
      return this.#turns.run(database, room, unban(user));
    });
  }

  append(message: NewMessage, knownHead?: number): Promise<Receipt> {
    return this.#connection.call(async (database) => {
      const { id, chatroom, owner, ownerName, clientId, fingerprint, createdAt, inReplyTo, origin, bot } = message;
      requireTexts(id, chatroom, owner, ownerName, clientId, fingerprint, createdAt, message.message);
      requireTexts(inReplyTo, origin, bot?.name, message.image?.contentType);
      requireNumbers(message.type, knownHead);
      const receipt = await this.#messages.append(database, message, knownHead);
      // A replay does it again: the first time may have ended in between.
      if (bot !== undefined && inReplyTo !== undefined) {
        const { _id: room } = await requireRoom(database, chatroom);
        await closeCommand(database, { id: inReplyTo, room }, 'answered');
      }
      return receipt;
    });
  }

  findReceipt(room: string, owner: string, clientId: string): Promise<StoredReceipt | undefined> {
    return this.#within([room, owner, clientId], undefined, async (database, key) => {
      const [found] = (await receiptsOf(database, key, [entryKey(owner, clientId)])).values();
      return found && toReceipt(found);
    });
  }

  messages(room: string, { from, to, order, limit }: Window): Promise<Message[]> {
    return this.#within([room], [], async ({ models, op }, key) => {
      requireNumbers(from, to, limit);
      const seq = trusted({ $gte: Math.max(1, from), $lte: to });
      const query = models.entries.find({ room: key, seq }).sort({ seq: order === 'asc' ? 1 : -1 });
      const entries = await op(query.limit(limit).lean<EntryDocument[]>().exec());
      return entries.map((it) => toMessage(room, it));
    });
  }

  message(room: string, id: string): Promise<Message | undefined> {
    return this.#within([room, id], undefined, async (database, key) => {
      const entry = await findEntry(database, key, id);
      return entry && toMessage(room, entry);
    });
  }

  image(room: string, id: string): Promise<Image | undefined> {
    return this.#within([room, id], undefined, async (database, key) => {
      const entry = await findEntry(database, key, id);
      return entry?.type === 3 && entry.deleted !== true ? await readImage(database, key, id) : undefined;
    });
  }

  editMessage(room: string, id: string, text: string, type: 1 | 2): Promise<Message | undefined> {
    return this.#change([room, id, text], room, editMessage(id, text, type));
  }

  deleteMessage(room: string, id: string): Promise<Message | undefined> {
    return this.#change([room, id], room, deleteMessage(id));
  }

  changedSince(room: string, rev: number, limit: number): Promise<Message[]> {
    return this.#within([room], [], async ({ models, op }, key) => {
      requireNumbers(rev, limit);
      const query = models.entries.find({ changedIn: key, rev: trusted({ $gt: rev }) }).sort({ rev: 1 });
      const entries = await op(query.limit(limit).lean<EntryDocument[]>().exec());
      return entries.map((it) => toMessage(room, it));
    });
  }

  messagesOf(user: string, limit: number, after?: string): Promise<Found> {
    return this.#connection.call((database) => {
      requireTexts(user, after);
      requireNumbers(limit);
      return findMessagesOf(database, user, limit, after);
    });
  }

  trim(room: string, firstSeq: number): Promise<void> {
    return this.#connection.call(async (database) => {
      requireTexts(room);
      requireNumbers(firstSeq);
      const found = await requireRoom(database, room);
      await trimRoom(database, found, Math.min(firstSeq, (await this.#views.headOf(database, found)) + 1));
    });
  }

  markRead(room: string, user: string, seq: number): Promise<number> {
    return this.#connection.call(async (database) => {
      requireTexts(room, user);
      requireNumbers(seq);
      const mark = await this.#places.within(database, room, async (key) => {
        const known = await readMark(database, key, user);
        if (seq <= known) return known;
        const { models, op } = database;
        await raise(() =>
          op(models.readMarks.updateOne({ room: key, user }, { $max: { seq } }, { upsert: true }).exec()),
        );
        return Math.max(seq, await readMark(database, key, user));
      });
      if (mark === undefined) throw noSuchRoom();
      return mark;
    });
  }

  readMark(room: string, user: string): Promise<number> {
    return this.#within([room, user], 0, (database, key) => readMark(database, key, user));
  }

  putCommand(command: Command): Promise<{ id: string; createdAt: string; replayed: boolean }> {
    return this.#connection.call((database) => {
      const { id, chatroom, user, userName, clientId, fingerprint, args, message, createdAt, ticket } = command;
      requireTexts(id, chatroom, user, userName, clientId, fingerprint, args, message, createdAt, ticket);
      requireTexts(command.command);
      requireNumbers(command.deadline);
      return this.#commands.put(database, command);
    });
  }

  command(id: string): Promise<Command | undefined> {
    return this.#connection.call((database) => {
      requireTexts(id);
      return findCommand(database, id);
    });
  }

  openCommands(limit: number): Promise<Command[]> {
    return this.#connection.call((database) => findOpenCommands(database, limit));
  }

  giveUpCommand(id: string): Promise<boolean> {
    return this.#connection.call(async (database) => {
      requireTexts(id);
      return (await findCommand(database, id)) !== undefined && (await closeCommand(database, { id }, 'given up'));
    });
  }

  dropCommands(before: string, limit: number): Promise<number> {
    return this.#connection.call((database) => {
      requireTexts(before);
      requireNumbers(limit);
      return dropCommands(database, before, limit);
    });
  }

  revoke(subject: string, at: number): Promise<void> {
    return this.#connection.call(async ({ models, op }) => {
      requireTexts(subject);
      requireNumbers(at);
      await raise(() => op(models.revocations.updateOne({ _id: subject }, { $max: { at } }, { upsert: true }).exec()));
    });
  }

  revocations(subjects: readonly string[]): Promise<Map<string, number>> {
    return this.#connection.call(async ({ models, op }) => {
      requireTexts(...subjects);
      if (subjects.length === 0) return new Map();
      const query = models.revocations.find({ _id: trusted({ $in: subjects }) });
      const found = await op(query.lean<RevocationDocument[]>().exec());
      return new Map(found.map(({ _id, at }) => [_id, at]));
    });
  }

  /** A read of what belongs to a room; `otherwise` where there is no such room. */
  #within<R>(
    texts: readonly [room: string, ...string[]],
    otherwise: R,
    read: (database: Database, key: RoomKey) => Promise<R>,
  ): Promise<R> {
    return this.#connection.call(async (database) => {
      requireTexts(...texts);
      return (await this.#places.within(database, texts[0], (key) => read(database, key))) ?? otherwise;
    });
  }

  #change(
    texts: readonly string[],
    room: string,
    operation: ReturnType<typeof editMessage>,
  ): Promise<Message | undefined> {
    return this.#connection.call(async (database) => {
      requireTexts(...texts);
      if ((await findRoom(database, room)) === undefined) return undefined;
      const changed = await this.#turns.run(database, room, operation);
      return changed && toMessage(room, changed);
    });
  }

  #sweep(): void {
    this.#connection.aside(async (database) => {
      if (this.#isSweeping) return;
      this.#isSweeping = true;
      try {
        await sweepDeletedRooms(database, this.#connection.closing);
        await sweepTrimmedRooms(database, this.#connection.closing);
      } finally {
        this.#isSweeping = false;
      }
    });
  }
}

async function findEntry({ models, op }: Database, room: RoomKey, id: string): Promise<EntryDocument | undefined> {
  const query = models.entries.findOne({ _id: id, room, seq: trusted({ $gt: 0 }) });
  return (await op(query.lean<EntryDocument>().exec())) ?? undefined;
}

async function readMark({ models, op }: Database, room: RoomKey, user: string): Promise<number> {
  return (await op(models.readMarks.findOne({ room, user }).lean<ReadMarkDocument>().exec()))?.seq ?? 0;
}
