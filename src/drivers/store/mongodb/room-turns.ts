import { setTimeout as pause } from 'node:timers/promises';
import { noSuchRoom } from '../../../chat/errors.ts';
import type { WriteStats } from './append-messages.ts';
import { Batches, type Waiting } from './batches.ts';
import type { Pending, PendingChange, PendingStanding, RoomDocument, RoomKey, StandingDocument } from './documents.ts';
import { dropImages } from './images.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';
import { findRoom } from './room-places.ts';
import { isDuplicate } from './store-failure.ts';
import { Turn } from './turn.ts';

/** One thing to do to a room's members or messages. */
export interface Operation<R = unknown> {
  /** What it looks at, read beforehand for all of a turn together. */
  readonly user?: string;
  readonly message?: string;
  /** Bytes that the decision will carry, about. */
  readonly bytes?: number;
  /** Throws its ChatError before it has changed anything. */
  readonly run: (turn: Turn) => R | Promise<R>;
}

interface Asked {
  readonly database: Database;
  readonly operation: Operation;
}
type Waits = Waiting<Asked, unknown>;

const MAX_OPERATIONS = 100;
const MAX_BYTES = 2 * 1024 * 1024;
const PAUSE_MS = 8;
/** Whoever decided something this long ago, and has not brought it about, is not going to. */
const STUCK_MS = 2000;

/**
 * How a change of several documents is one, without transactions: rooms take turns.
 *
 * A turn reads how things stand, works out all that is to change, and writes that into the room's own document, together
 * with the new count, owner and version, if the room's `turn` is still the one that was read: this single write decides.
 * Then the decision is brought about, and cleared. Nobody else can decide meanwhile, but anybody can bring about what was
 * decided, as often as they like: each write has the state before in its filter. So a turn whose author died is finished
 * by whoever takes the next one, or by a reader who finds it stuck.
 *
 * What the room's document says (`count`, `owner`) is true from the decision on; `rev` is raised last, so that no cursor
 * passes a change that is not to be seen yet.
 */
export class RoomTurns {
  readonly #stats: WriteStats;
  readonly #batches: Batches<Asked, unknown>;
  readonly #healing = new Set<string>();

  constructor(stats: WriteStats) {
    this.#stats = stats;
    this.#batches = new Batches({ run: (room, batch) => this.#take(room, batch), cut, ms: CALL_MS });
  }

  async run<R>(database: Database, room: string, operation: Operation<R>): Promise<R> {
    return (await this.#batches.submit(room, { database, operation })) as R;
  }

  /** Finishes what somebody has left unfinished, if so: for readers who come across it. */
  async heal(database: Database, room: RoomDocument): Promise<void> {
    const { _id, pending } = room;
    const key = _id.toHexString();
    if (pending === undefined || Math.abs(Date.now() - pending.at) < STUCK_MS || this.#healing.has(key)) return;
    this.#healing.add(key);
    try {
      await finishTurn(database, room, pending);
    } finally {
      this.#healing.delete(key);
    }
  }

  async #take(id: string, batch: readonly Waits[]): Promise<void> {
    for (let tries = 0; ; tries++) {
      const open = batch.filter((it) => it.isOpen());
      const database = open[0]?.item.database;
      if (database === undefined) return;
      if (tries > 0) await pause(PAUSE_MS * Math.random() * Math.min(tries, 8));
      const room = await findRoom(database, id);
      if (room === undefined) throw noSuchRoom();
      // Its author is most likely at it; after a moment, help.
      if (room.pending !== undefined) {
        if (tries > 0) await finishTurn(database, room, room.pending);
        continue;
      }
      const turn = await Turn.open(
        database,
        room,
        open.map(({ item }) => item.operation),
      );
      const answers = await this.#runAll(turn, open);
      const decided = turn.isEmpty() ? room : await decide(database, turn);
      if (decided === undefined) continue;
      if (decided.pending !== undefined) {
        await finishTurn(database, decided, decided.pending);
        this.#stats.batches += 1;
        this.#stats.writes += open.length;
      }
      for (const answer of answers) answer();
      return;
    }
  }

  async #runAll(turn: Turn, open: readonly Waits[]): Promise<(() => void)[]> {
    const answers: (() => void)[] = [];
    for (const { item, resolve, reject } of open) {
      try {
        const result = await item.operation.run(turn);
        answers.push(() => resolve(result));
      } catch (error) {
        answers.push(() => reject(error));
      }
    }
    return answers;
  }
}

/** The one write that decides. Undefined when somebody else has changed the room since it was read. */
async function decide({ models, op }: Database, turn: Turn): Promise<RoomDocument | undefined> {
  const { before } = turn;
  const { changed, pending } = turn.decision();
  const set = { ...changed, turn: before.turn + 1, pending };
  const { modifiedCount } = await op(
    models.rooms
      .updateOne({ _id: before._id, turn: before.turn, version: before.version, goneAt: null }, { $set: set })
      .exec(),
  );
  return modifiedCount === 1 ? { ...before, ...set } : undefined;
}

/** Brings about what a turn has decided. Any number of processes may, at any time. */
export async function finishTurn(database: Database, room: RoomDocument, pending: Pending): Promise<void> {
  const { models, op } = database;
  await Promise.all([
    replaceStandings(database, room._id, room.turn, pending.standings),
    ...pending.changes.map((it) => changeMessage(database, room._id, it)),
  ]);
  await op(
    models.rooms
      .updateOne({ _id: room._id, turn: room.turn }, { $set: { rev: pending.rev }, $unset: { pending: '' } })
      .exec(),
  );
}

async function replaceStandings(
  { models, op }: Database,
  room: RoomKey,
  turn: number,
  standings: readonly PendingStanding[],
): Promise<void> {
  if (standings.length === 0) return;
  const writes = standings.map(({ was, ...rest }) => {
    const document: StandingDocument = { ...rest, room, turn };
    return was === null
      ? { insertOne: { document } }
      : { replaceOne: { filter: { room, user: rest.user, turn: was }, replacement: document } };
  });
  try {
    await op(models.standings.bulkWrite(writes, { ordered: false }));
  } catch (error) {
    if (!isDuplicate(error)) throw error; // inserted already, by this turn
  }
}

async function changeMessage(
  database: Database,
  room: RoomKey,
  { id, was, rev, hadImage, text, type }: PendingChange,
): Promise<void> {
  const { models, op } = database;
  const filter = { _id: id, room, rev: was } as { _id: string; room: RoomKey; rev: number };
  const mark = { rev, changedIn: room };
  const update =
    text === undefined || type === undefined
      ? { $set: { ...mark, message: '', deleted: true as const }, $unset: { meta: '' } }
      : { $set: { ...mark, message: text, type } };
  await op(models.entries.updateOne(filter, update).exec());
  if (hadImage) await dropImages(database, room, [id]);
}

function cut(waiting: readonly Waits[]): number {
  let bytes = 0;
  const end = waiting.findIndex(({ item }, at) => {
    bytes += item.operation.bytes ?? 0;
    return at >= MAX_OPERATIONS || bytes > MAX_BYTES;
  });
  return end < 0 ? waiting.length : Math.max(1, end);
}
