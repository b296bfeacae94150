import { randomBytes } from 'node:crypto';
import { trusted } from 'mongoose';
import { ChatError, noSuchRoom, tryAgain } from '../../../chat/errors.ts';
import type { Command } from '../../../chat/model.ts';
import { OPEN_COMMANDS_MAX } from '../../../chat/ports/store.ts';
import type { WriteStats } from './append-messages.ts';
import { Batches, type Waiting } from './batches.ts';
import { type EntryDocument, entryKey, type RoomKey, toCommand } from './documents.ts';
import { distinctPrefix, receiptsOf, requireSame } from './entry-receipts.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';
import { refusalsOf } from './store-failure.ts';

const MAX_BATCH_COMMANDS = 200;
/** The open ones are counted no more often than this, except before one is refused. */
const COUNT_MS = 2000;

interface Put {
  readonly database: Database;
  readonly command: Command;
}
type Stored = Pick<Command, 'id' | 'createdAt'> & { readonly replayed: boolean };
type Waits = Waiting<Put, Stored>;
interface Placed {
  readonly waiting: Waits;
  readonly room: RoomKey;
}

/**
 * Commands of all rooms go together, so that those that are open are counted once for many. The count is exact for one
 * process; what others have put in since the last one comes on top.
 */
export class CommandPutter {
  readonly #stats: WriteStats;
  #open = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  readonly #batches = new Batches<Put, Stored>({ run: (_, batch) => this.#commit(batch), cut, ms: CALL_MS });

  constructor(stats: WriteStats) {
    this.#stats = stats;
  }

  put(database: Database, command: Command): Promise<Stored> {
    return this.#batches.submit('', { database, command });
  }

  async #commit(batch: readonly Waits[]): Promise<void> {
    const database = batch[0]?.item.database;
    if (database === undefined) return;
    const ids = batch.map(({ item }) => item.command.chatroom);
    const [keys, openCount] = await Promise.all([roomKeys(database, ids), this.#count(database, batch.length)]);
    const placed: Placed[] = [];
    for (const waiting of batch) {
      const room = keys.get(waiting.item.command.chatroom);
      if (room === undefined) waiting.reject(noSuchRoom());
      else placed.push({ waiting, room });
    }
    const fitting = placed.splice(0, Math.max(0, OPEN_COMMANDS_MAX - openCount));
    if (fitting.length > 0) await this.#insert(database, fitting);
    for (const it of placed) await answerReplay(database, it, () => tryAgain('the queue of commands'));
  }

  /** How many are open at most: those that were answered since the last count are still among them. */
  async #count(database: Database, coming: number): Promise<number> {
    const isRecent = performance.now() - this.#countedAt < COUNT_MS;
    if (!isRecent || this.#open + coming > OPEN_COMMANDS_MAX) {
      this.#countedAt = performance.now();
      this.#open = await countOpen(database);
    }
    const count = this.#open;
    this.#open += coming;
    return count;
  }

  async #insert(database: Database, placed: readonly Placed[]): Promise<void> {
    const { models, op } = database;
    const entries = placed.map(({ waiting, room }) => toEntry(waiting.item.command, room));
    let refused: ReadonlySet<number> = new Set();
    try {
      await op(models.entries.insertMany(entries, { ordered: false, lean: true }));
    } catch (error) {
      const refusals = refusalsOf(error);
      if (refusals === undefined) throw error;
      refused = new Set(refusals.map(({ index }) => index));
    }
    this.#stats.batches += 1;
    this.#stats.writes += placed.length - refused.size;
    for (const [at, it] of placed.entries()) {
      const { id, createdAt } = it.waiting.item.command;
      if (refused.has(at)) await answerReplay(database, it, idTaken);
      else it.waiting.resolve({ id, createdAt, replayed: false });
    }
  }
}

export async function findCommand({ models, op }: Database, id: string): Promise<Command | undefined> {
  const entry = await op(
    models.entries
      .findOne({ _id: id, seq: trusted({ $lt: 0 }) })
      .lean<EntryDocument>()
      .exec(),
  );
  if (entry === null) return undefined;
  const query = models.rooms.findOne({ _id: entry.room, goneAt: null }, { id: 1 });
  const room = await op(query.lean<{ id: string }>().exec());
  return room === null ? undefined : toCommand(room.id, entry);
}

/** Those of rooms that are gone may still be there, in front of others. */
export async function findOpenCommands({ models, op }: Database, limit: number): Promise<Command[]> {
  const found: Command[] = [];
  for (let passed = 0; found.length < limit; ) {
    const query = models.entries.find({ open: trusted({ $gt: 0 }) }).sort({ open: 1, _id: 1 });
    const entries = await op(query.skip(passed).limit(limit).lean<EntryDocument[]>().exec());
    if (entries.length === 0) break;
    passed += entries.length;
    const keys = [...new Set(entries.map(({ room }) => room.toHexString()))];
    const rooms = models.rooms.find({ _id: trusted({ $in: keys }), goneAt: null }, { id: 1 });
    const there = await op(rooms.lean<{ _id: RoomKey; id: string }[]>().exec());
    const ids = new Map(there.map(({ _id, id }) => [_id.toHexString(), id]));
    for (const entry of entries) {
      const id = ids.get(entry.room.toHexString());
      if (id !== undefined && found.length < limit) found.push(toCommand(id, entry));
    }
  }
  return found;
}

/** Whether it was open: once, for one of all who close it. */
export async function closeCommand(
  { models, op }: Database,
  command: { readonly id: string; readonly room?: RoomKey },
  state: 'answered' | 'given up',
): Promise<boolean> {
  const { id, room } = command;
  const filter = { _id: id, state: 'open', ...(room !== undefined && { room }) } as const;
  const { modifiedCount } = await op(
    models.entries.updateOne(filter, { $set: { state, settled: Date.now() }, $unset: { open: '' } }).exec(),
  );
  return modifiedCount === 1;
}

export async function dropCommands({ models, op }: Database, before: string, limit: number): Promise<number> {
  const settled = trusted({ $gt: 0, $lt: Date.parse(before) });
  const query = models.entries.find({ settled }, { _id: 1 }).sort({ settled: 1 }).limit(limit);
  const old = await op(query.lean<{ _id: string }[]>().exec());
  if (old.length === 0) return 0;
  const ids = old.map(({ _id }) => _id);
  return (await op(models.entries.deleteMany({ _id: trusted({ $in: ids }) }).exec())).deletedCount;
}

async function countOpen({ models, op }: Database): Promise<number> {
  return await op(
    models.entries
      .countDocuments({ open: trusted({ $gt: 0 }) })
      .limit(OPEN_COMMANDS_MAX)
      .exec(),
  );
}

async function roomKeys({ models, op }: Database, ids: readonly string[]): Promise<Map<string, RoomKey>> {
  const query = models.rooms.find({ id: trusted({ $in: [...new Set(ids)] }), goneAt: null }, { id: 1 });
  const rooms = await op(query.lean<{ _id: RoomKey; id: string }[]>().exec());
  return new Map(rooms.map(({ _id, id }) => [id, _id]));
}

/** From the command that is stored under the same key, or else with `otherwise`. */
async function answerReplay(database: Database, { waiting, room }: Placed, otherwise: () => ChatError): Promise<void> {
  const { command } = waiting.item;
  const key = entryKey(command.user, command.clientId);
  try {
    const first = (await receiptsOf(database, room, [key])).get(key);
    if (first === undefined) throw otherwise();
    requireSame(first, command.fingerprint, 'command');
    waiting.resolve({ id: first._id, createdAt: first.createdAt, replayed: true });
  } catch (error) {
    waiting.reject(error);
  }
}

const idTaken = () => new ChatError('internal', 'the store refused this write; nothing was stored');

const cut = (waiting: readonly Waits[]): number =>
  distinctPrefix(
    waiting.map(({ item: { command } }) => JSON.stringify([command.chatroom, command.user, command.clientId])),
    MAX_BATCH_COMMANDS,
  );

/** Unique in its room, and out of the way of the log, which begins with 1. */
const seqOfCommand = (): number => -1 - randomBytes(6).readUIntBE(0, 6);

/** In the order of coming within one process; the ids of commands made elsewhere in the same millisecond decide the rest. */
let lastOpen = 0;
function openNow(): number {
  lastOpen = Math.max(lastOpen + 1 / 1024, Date.now());
  return lastOpen;
}

const toEntry = (command: Command, room: RoomKey): EntryDocument => ({
  _id: command.id,
  room,
  seq: seqOfCommand(),
  key: entryKey(command.user, command.clientId),
  owner: command.user,
  ownerName: command.userName,
  clientId: command.clientId,
  fingerprint: command.fingerprint,
  message: command.message,
  createdAt: command.createdAt,
  command: command.command,
  args: command.args,
  deadline: command.deadline,
  ticket: command.ticket,
  state: 'open',
  open: openNow(),
});
