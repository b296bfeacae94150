import { setTimeout as pause } from 'node:timers/promises';
import { trusted } from 'mongoose';
import { ChatError } from '../../../chat/errors.ts';
import type { NewMessage, Receipt } from '../../../chat/model.ts';
import { Batches, type Waiting } from './batches.ts';
import { type EntryDocument, entryKey, type ReceiptFields, type RoomKey } from './documents.ts';
import { distinctPrefix, receiptsOf, requireSame } from './entry-receipts.ts';
import { dropImages, putImage } from './images.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';
import { crossesStep, isThere, type Place, type RoomPlaces, raiseHeadMark, requireRoom } from './room-places.ts';
import { isRefusal, isUnreachable, refusalsOf, storeFailure } from './store-failure.ts';

/** Larger ones gain nothing, and the last of one waits for the first. */
const MAX_BATCH_MESSAGES = 200;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** After a failure, growing with each. */
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 200;
/** Seqs that are found taken one after the other before the head is read: who is far behind would take for ever. */
const STEPS_BEFORE_READ = 8;

export interface WriteStats {
  /** Committed batches, writes in them, operations that the engine failed, heads read because an insert was not clear. */
  batches: number;
  writes: number;
  failures: number;
  headReads: number;
}

interface Append {
  readonly database: Database;
  readonly message: NewMessage;
  readonly key: string;
  readonly knownHead: number;
  readonly bytes: number;
}

type Waits = Waiting<Append, Receipt>;

/**
 * The hot path: a batch of a room's messages is one ordered insert.
 *
 * The insert itself allots the seqs, by the unique index (room, seq). A batch begins at the head this process knows + 1,
 * and that guess is never above the true head + 1: it comes from acknowledged writes and majority reads only. So a message
 * is stored only where its predecessor is stored already, whoever else writes and whatever arrives late: an ordered
 * insert stops at the first seq that is taken, and what it left out is guessed anew, in the same order. No holes.
 *
 * The unique index (room, key) stores a message at most once, so a batch whose outcome is unknown may be sent again as it
 * is: the key tells which of it was there. Nobody is answered by a guess.
 *
 * Rivals for a room are other processes. Whoever comes too late for a seq hears of it when the winner does, and tries the
 * next one at once: reading the head in between, or pausing, would make it come too late again and again.
 *
 * That the room exists is checked while the insert runs. What was stored in a room that is gone is seen by nobody: all
 * reads go through the room, and its key is never used again.
 */
export class MessageAppender {
  readonly #places: RoomPlaces;
  readonly #stats: WriteStats;
  readonly #batches: Batches<Append, Receipt>;

  constructor(places: RoomPlaces, stats: WriteStats) {
    this.#places = places;
    this.#stats = stats;
    this.#batches = new Batches({ run: (room, batch) => this.#commit(room, batch), cut, ms: CALL_MS });
  }

  async append(database: Database, message: NewMessage, knownHead = 0): Promise<Receipt> {
    const { chatroom, id, image } = message;
    const key = entryKey(message.owner, message.clientId);
    const bytes = message.message.length * 3 + (message.meta === undefined ? 0 : JSON.stringify(message.meta).length);
    const submit = () => this.#batches.submit(chatroom, { database, message, key, knownHead, bytes });
    if (image === undefined) return submit();

    const { key: room } = await this.#place(database, chatroom);
    await putImage(database, room, id, image);
    const forget = () => dropImages(database, room, [id]);
    try {
      const receipt = await submit();
      if (receipt.id !== id) await forget();
      return receipt;
    } catch (error) {
      // After an unknown outcome it may belong to a message.
      if (isRefusal(error)) await forget();
      throw error;
    }
  }

  async #place(database: Database, id: string): Promise<Place> {
    return this.#places.known(id) ?? this.#places.placeOf(await requireRoom(database, id));
  }

  async #commit(id: string, batch: readonly Waits[]): Promise<void> {
    // Of rooms of the same id, what a caller knows may be of an earlier one.
    let isKnownHeadGood = true;
    let failures = 0;
    for (let steps = 0; ; ) {
      const open = batch.filter((it) => it.isOpen());
      const [first] = open;
      if (first === undefined) return;
      const { database } = first.item;
      try {
        const place = await this.#place(database, id);
        const known = isKnownHeadGood ? open.map(({ item }) => item.knownHead) : [];
        const mayStep = steps % (STEPS_BEFORE_READ + 1) > 0;
        const outcome = await this.#insert(database, id, place, Math.max(place.head, ...known), open, mayStep);
        if (outcome === 'gone') {
          this.#places.forget(id);
          isKnownHeadGood = false;
        } else if (outcome === 'taken') {
          steps += 1;
          continue;
        }
      } catch (error) {
        if (error instanceof ChatError) throw error;
        // With no server at all there is nothing to find out.
        if (isUnreachable(error)) throw error;
      }
      const longest = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
      failures += 1;
      if (open.some((it) => it.isOpen())) await pause(longest * (0.5 + Math.random() / 2));
    }
  }

  /** Answers as many as it can. Where another one took a seq first, `mayStep` says to go on from there without a read. */
  async #insert(
    database: Database,
    id: string,
    place: Place,
    head: number,
    open: readonly Waits[],
    mayStep = false,
  ): Promise<'done' | 'gone' | 'taken'> {
    const { models, op } = database;
    const entries = open.map(({ item }, at) => toEntry(item, place.key, head + 1 + at));
    const [there, inserted] = await Promise.allSettled([
      isThere(database, place.key),
      op(models.entries.insertMany(entries, { ordered: true, lean: true })),
    ]);
    if (there.status === 'rejected') throw there.reason;
    if (!there.value) {
      await op(
        models.entries.deleteMany({ room: place.key, key: trusted({ $in: entries.map(({ key }) => key) }) }).exec(),
      );
      return 'gone';
    }
    if (inserted.status === 'fulfilled') {
      this.#acknowledge(database, id, place, head, entries, open);
      return 'done';
    }
    const [refused] = refusalsOf(inserted.reason) ?? [];
    if (refused?.isSeqTaken && mayStep) {
      const stored = entries.slice(0, refused.index);
      if (stored.length > 0) this.#acknowledge(database, id, place, head, stored, open);
      this.#places.remember(id, place.key, head + refused.index + 1);
      return 'taken';
    }
    await this.#settle(database, id, place, head, open, inserted.reason);
    return refused?.isSeqTaken ? 'taken' : 'done';
  }

  #acknowledge(
    database: Database,
    id: string,
    { key }: Place,
    head: number,
    entries: readonly EntryDocument[],
    open: readonly Waits[],
  ): void {
    this.#stats.batches += 1;
    this.#stats.writes += entries.length;
    const newest = head + entries.length;
    this.#places.remember(id, key, newest);
    for (const [at, { resolve }] of open.entries()) {
      const entry = entries[at];
      if (entry) resolve({ id: entry._id, seq: entry.seq, createdAt: entry.createdAt, replayed: false });
    }
    if (crossesStep(head, newest)) raiseHeadMark(database, key, newest).catch(() => {});
  }

  /** After an insert that failed or may have: answers what is stored, and finds out where the log stands. */
  async #settle(
    database: Database,
    id: string,
    place: Place,
    guessed: number,
    open: readonly Waits[],
    failure: unknown,
  ): Promise<void> {
    const [refused] = refusalsOf(failure) ?? [];
    // A failure before anything was sent, too: its cause is one of these, and nobody can tell which.
    if (refused === undefined && isRefusal(failure)) {
      if (open.length > 1) return this.#oneByOne(database, id, place, open);
      throw storeFailure(failure);
    }
    const found = await receiptsOf(
      database,
      place.key,
      open.map(({ item }) => item.key),
    );
    this.#stats.headReads += 1;
    const head = await this.#places.readHead(database, id, place);
    const stored = refused?.index ?? 0;
    if (stored > 0) this.#stats.batches += 1;
    for (const [at, waiting] of open.entries()) {
      const first = found.get(waiting.item.key);
      if (first === undefined) continue;
      answer(waiting, first, at < stored);
      if (at < stored) this.#stats.writes += 1;
    }
    if (refused === undefined) throw failure;
    const culprit = open[refused.index];
    if (culprit === undefined || !culprit.isOpen()) return;
    if (!refused.isDuplicate) culprit.reject(storeFailure(failure));
    else if (head <= guessed + refused.index) await refuseTakenId(database, place.key, culprit);
  }

  async #oneByOne(database: Database, id: string, place: Place, open: readonly Waits[]): Promise<void> {
    let head = place.head;
    for (const waiting of open) {
      try {
        await this.#insert(database, id, place, head, [waiting]);
      } catch (error) {
        waiting.reject(error);
      }
      head = this.#places.known(id)?.head ?? head;
    }
  }
}

function cut(waiting: readonly Waits[]): number {
  let bytes = 0;
  const end = waiting.findIndex(({ item }) => {
    bytes += item.bytes;
    return bytes > MAX_BATCH_BYTES;
  });
  const fitting = end < 0 ? waiting : waiting.slice(0, Math.max(1, end));
  return distinctPrefix(
    fitting.map(({ item }) => item.key),
    MAX_BATCH_MESSAGES,
  );
}

function answer({ item, resolve, reject }: Waits, first: ReceiptFields, isOwn: boolean): void {
  try {
    requireSame(first, item.message.fingerprint, 'message');
    resolve({ id: first._id, seq: first.seq, createdAt: first.createdAt, replayed: !isOwn });
  } catch (error) {
    reject(error);
  }
}

/** Its seq is free and so is its key. The server gives each message an id of its own: a second of the same is a mistake. */
async function refuseTakenId({ models, op }: Database, room: RoomKey, { item, reject }: Waits): Promise<void> {
  const query = models.entries.findOne({ _id: item.message.id }, { room: 1, key: 1 });
  const taken = await op(query.lean<Pick<EntryDocument, 'room' | 'key'>>().exec());
  if (taken === null || (taken.room.equals(room) && taken.key === item.key)) return;
  reject(new ChatError('internal', 'the store refused this write; nothing was stored', { cause: 'the id is taken' }));
}

const toEntry = ({ message, key }: Append, room: RoomKey, seq: number): EntryDocument => ({
  _id: message.id,
  room,
  seq,
  key,
  owner: message.owner,
  ownerName: message.ownerName,
  clientId: message.clientId,
  fingerprint: message.fingerprint,
  message: message.message,
  createdAt: message.createdAt,
  type: message.type,
  ...(message.inReplyTo !== undefined && { inReplyTo: message.inReplyTo }),
  ...(message.origin !== undefined && { origin: message.origin }),
  ...(message.bot !== undefined && { bot: message.bot.name }),
  ...(message.meta !== undefined && { meta: JSON.stringify(message.meta) }),
});
