import { setTimeout as pause } from 'node:timers/promises';
import { trusted } from 'mongoose';
import { ChatError } from '../../../chat/errors.ts';
import type { NewMessage, Receipt } from '../../../chat/model.ts';
import { Batches, type Waiting } from './batches.ts';
import { type EntryDocument, entryKey, type ReceiptFields, type RoomKey } from './documents.ts';
import { distinctPrefix, receiptsOf, requireSame } from './entry-receipts.ts';
import { dropImages, putImage } from './images.ts';
import { CALL_MS, type Database } from './mongo-connection.ts';
import { crossesStep, type Place, type RoomPlaces, raiseHeadMark, requireRoom, thoseThere } from './room-places.ts';
import { askForTurn, RoomRivals } from './room-rivals.ts';
import { isRefusal, isUnreachable, type Refusal, refusalsOf, storeFailure } from './store-failure.ts';

/** Larger ones gain nothing, and the last of one waits for the first. */
const MAX_BATCH_MESSAGES = 200;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** While all rooms wait for rivals, others may come. */
const LOOK_AGAIN_MS = 5;
/** After a failure, growing with each. */
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 200;

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
  /** What the caller takes for the head; of an earlier room of the same id, perhaps. */
  knownHead: number;
  readonly bytes: number;
}

type Waits = Waiting<Append, Receipt>;

/** What a batch has for one room. */
interface Part {
  readonly id: string;
  readonly place: Place;
  /** Its seqs follow this. */
  readonly head: number;
  readonly open: readonly Waits[];
}

/**
 * The hot path: what waits for any room goes as one ordered insert, and the next one when that is answered.
 *
 * The insert itself allots the seqs, by the unique index (room, seq). A room's messages begin at the head this process
 * knows + 1, and that guess is never above the true head + 1: it comes from acknowledged writes and majority reads only.
 * So a message is stored only where its predecessor is stored already, whoever else writes and whatever arrives late: an
 * ordered insert stops at the first seq that is taken, and what it left out is guessed anew, in the same order. No holes.
 *
 * The unique index (room, key) stores a message at most once, so a batch whose outcome is unknown may be sent again as it
 * is: the key tells which of it was there. Nobody is answered by a guess.
 *
 * Rivals for a room are other processes: see {@link RoomRivals}. Rooms with rivals come last in a batch, so that the others
 * are stored whatever becomes of these.
 *
 * That the rooms exist is checked while the insert runs. What was stored in a room that is gone is seen by nobody: all
 * reads go through the room, and its key is never used again.
 */
export class MessageAppender {
  readonly #places: RoomPlaces;
  readonly #stats: WriteStats;
  readonly #batches = new Batches<Append, Receipt>({ run: (_, batch) => this.#commit(batch), cut, ms: CALL_MS });
  readonly #rivals = new RoomRivals();
  /** Failed batches since the last one that was clear. */
  #failures = 0;

  constructor(places: RoomPlaces, stats: WriteStats) {
    this.#places = places;
    this.#stats = stats;
  }

  async append(database: Database, message: NewMessage, knownHead?: number): Promise<Receipt> {
    const { chatroom, id, image } = message;
    const key = entryKey(message.owner, message.clientId);
    const bytes = message.message.length * 3 + (message.meta === undefined ? 0 : JSON.stringify(message.meta).length);
    // Who does not follow the room looks first: a seq that is taken costs everybody in the batch another one.
    if (knownHead === undefined) {
      await this.#places.readHead(database, chatroom, await this.#placeOf(database, chatroom));
    }
    const item = { database, message, key, knownHead: knownHead ?? 0, bytes };
    const submit = () => this.#batches.submit('', item);
    if (image === undefined) return submit();

    const { key: room } = await this.#placeOf(database, chatroom);
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

  async #placeOf(database: Database, id: string): Promise<Place> {
    return this.#places.known(id) ?? this.#places.placeOf(await requireRoom(database, id));
  }

  async #commit(batch: readonly Waits[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    const { database } = first.item;
    try {
      if (this.#failures > 0) await answerStored(database, batch, this.#places);
      const parts = await this.#partsOf(database, batch);
      if (parts.length > 0) await this.#insert(database, parts);
      else if (batch.some((it) => it.isOpen())) await pause(LOOK_AGAIN_MS);
      this.#failures = 0;
    } catch (error) {
      // With no server at all there is nothing to find out.
      if (error instanceof ChatError || isUnreachable(error)) throw error;
      const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
      this.#failures += 1;
      await pause(longest * (0.5 + Math.random() / 2));
    }
  }

  /**
   * By room, with what is in each in its order; those with rivals last, without those whose turn it is not. Messages to
   * rooms that are gone are rejected.
   */
  async #partsOf(database: Database, batch: readonly Waits[]): Promise<Part[]> {
    const parts: Part[] = [];
    for (const [id, open] of byRoom(batch.filter((it) => it.isOpen()))) {
      if (this.#rivals.mustWait(id)) continue;
      try {
        const place = await this.#placeOf(database, id);
        const head = Math.max(place.head, ...open.map(({ item }) => item.knownHead));
        parts.push({ id, place, head, open });
      } catch (error) {
        if (!(error instanceof ChatError)) throw error;
        for (const { reject } of open) reject(error);
      }
    }
    const rank = ({ id }: Part) => (this.#rivals.has(id) ? 1 : 0);
    return parts.sort((a, b) => rank(a) - rank(b));
  }

  /** Answers as many as it can; what it leaves open is to be tried again. */
  async #insert(database: Database, parts: readonly Part[]): Promise<void> {
    const { models, op } = database;
    const entries = parts.map(({ place, head, open }) =>
      open.map(({ item }, at) => toEntry(item, place.key, head + 1 + at)),
    );
    const startedAt = performance.now();
    const [there, inserted] = await Promise.allSettled([
      thoseThere(
        database,
        parts.map(({ place }) => place.key),
      ),
      op(models.entries.insertMany(entries.flat(), { ordered: true, lean: true })),
    ]);
    if (there.status === 'rejected') throw there.reason;
    const failure = inserted.status === 'rejected' ? inserted.reason : undefined;
    const [refused] = refusalsOf(failure) ?? [];
    if (failure === undefined || (refused?.index ?? 0) > 0) this.#stats.batches += 1;
    const tookMs = performance.now() - startedAt;
    let tried = 0;
    for (const [at, part] of parts.entries()) {
      const own = entries[at] ?? [];
      const stored =
        failure === undefined ? own.length : Math.max(0, Math.min(own.length, (refused?.index ?? 0) - tried));
      tried += own.length;
      const room = there.value.get(part.place.key.toHexString());
      if (room === undefined) await this.#forgetRoom(database, part);
      else if (stored > 0) {
        this.#acknowledge(database, part, own.slice(0, stored));
        this.#rivals.won(part.id, room.wanted, tookMs);
      }
      if (refused !== undefined && refused.index < tried) return this.#refuse(database, part, stored, refused, failure);
    }
    if (failure === undefined) return;
    // A failure before anything was sent, too: its cause is one of these, and nobody can tell which.
    if (!isRefusal(failure)) throw failure;
    const [only] = parts;
    if (parts.length > 1 || (only?.open.length ?? 0) > 1) return this.#oneByOne(database, parts);
    only?.open[0]?.reject(storeFailure(failure));
  }

  #acknowledge(database: Database, { id, place, head, open }: Part, entries: readonly EntryDocument[]): void {
    this.#stats.writes += entries.length;
    const newest = head + entries.length;
    this.#places.remember(id, place.key, newest);
    for (const [at, { _id, seq, createdAt }] of entries.entries()) {
      open[at]?.resolve({ id: _id, seq, createdAt, replayed: false });
    }
    if (crossesStep(head, newest)) raiseHeadMark(database, place.key, newest).catch(() => {});
  }

  /** The first of the room that was not stored met something that was there before. */
  async #refuse(database: Database, part: Part, stored: number, refused: Refusal, failure: unknown): Promise<void> {
    const { id, place, head } = part;
    const culprit = part.open[stored];
    if (culprit === undefined || !culprit.isOpen()) return;
    if (!refused.isDuplicate) return culprit.reject(storeFailure(failure));
    if (refused.isSeqTaken) {
      this.#places.remember(id, place.key, head + stored + 1);
      const next = this.#rivals.lost(id);
      if (next.ask !== undefined) askForTurn(database, place.key, next.ask).catch(() => {});
      if (next.look) await this.#readHead(database, id, place);
      return;
    }
    await answerStored(database, part.open, this.#places);
    const found = await this.#readHead(database, id, place);
    if (culprit.isOpen() && found <= head + stored) await refuseTakenId(database, place.key, culprit);
  }

  #readHead(database: Database, id: string, place: Place): Promise<number> {
    this.#stats.headReads += 1;
    return this.#places.readHead(database, id, place);
  }

  /** The room was deleted: what has just been stored there goes too. Perhaps there is another one of its id. */
  async #forgetRoom({ models, op }: Database, { id, place, open }: Part): Promise<void> {
    const keys = open.map(({ item }) => item.key);
    await op(models.entries.deleteMany({ room: place.key, key: trusted({ $in: keys }) }).exec());
    this.#places.forget(id);
    for (const { item } of open) item.knownHead = 0;
  }

  async #oneByOne(database: Database, parts: readonly Part[]): Promise<void> {
    for (const part of parts) {
      let { head } = part;
      for (const waiting of part.open) {
        await this.#insert(database, [{ ...part, head, open: [waiting] }]);
        // Those that follow it may not come before it.
        if (waiting.isOpen()) break;
        head = this.#places.known(part.id)?.head ?? head;
      }
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
    fitting.map(({ item }) => `${item.message.chatroom} ${item.key}`),
    MAX_BATCH_MESSAGES,
  );
}

function byRoom(batch: readonly Waits[]): Map<string, Waits[]> {
  const rooms = new Map<string, Waits[]>();
  for (const it of batch) {
    const { chatroom } = it.item.message;
    const same = rooms.get(chatroom);
    if (same === undefined) rooms.set(chatroom, [it]);
    else same.push(it);
  }
  return rooms;
}

/** Answers those that are in the store already, whoever put them there. */
async function answerStored(database: Database, batch: readonly Waits[], places: RoomPlaces): Promise<void> {
  for (const [id, waiting] of byRoom(batch)) {
    const place = places.known(id);
    if (place === undefined) continue;
    const keys = waiting.map(({ item }) => item.key);
    const found = await receiptsOf(database, place.key, keys);
    for (const it of waiting) {
      const first = found.get(it.item.key);
      if (first !== undefined) answer(it, first);
    }
  }
}

function answer({ item, resolve, reject }: Waits, first: ReceiptFields): void {
  try {
    requireSame(first, item.message.fingerprint, 'message');
    resolve({ id: first._id, seq: first.seq, createdAt: first.createdAt, replayed: true });
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
