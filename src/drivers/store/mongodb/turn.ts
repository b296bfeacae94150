import { trusted } from 'mongoose';
import type { EntryDocument, Pending, PendingChange, RoomDocument, RoomKey, StandingDocument } from './documents.ts';
import type { Database } from './mongo-connection.ts';

type Standing = Omit<StandingDocument, 'room' | 'turn'>;
type Changed = Pick<RoomDocument, 'count' | 'owner' | 'version' | 'claim'>;

interface Looks {
  readonly user?: string;
  readonly message?: string;
}

/** Room for so many who join in one turn, between two values of `joined`. */
export const JOINS_OF_TURN = 1024;

/** A room as it stands in a turn: as it was read, with what the operations of the turn have changed so far. */
export class Turn {
  readonly before: RoomDocument;
  readonly #database: Database;
  /** As stored: what a change of them replaces. */
  readonly #read: Map<string, StandingDocument>;
  readonly #entries: Map<string, EntryDocument>;
  readonly #standings = new Map<string, Standing>();
  readonly #changes = new Map<string, PendingChange>();
  #changed: Changed;
  #rev: number;
  #joins = 0;

  static async open(database: Database, room: RoomDocument, looks: readonly Looks[]): Promise<Turn> {
    const { models, op } = database;
    const users = [...new Set(looks.flatMap(({ user }) => user ?? []))];
    const ids = [...new Set(looks.flatMap(({ message }) => message ?? []))];
    const [standings, entries] = await Promise.all([
      users.length === 0
        ? []
        : op(
            models.standings
              .find({ room: room._id, user: trusted({ $in: users }) }, { _id: 0 })
              .lean<StandingDocument[]>()
              .exec(),
          ),
      ids.length === 0
        ? []
        : op(
            models.entries
              .find({ _id: trusted({ $in: ids }), room: room._id, seq: trusted({ $gt: 0 }) })
              .lean<EntryDocument[]>()
              .exec(),
          ),
    ]);
    return new Turn(database, room, standings, entries);
  }

  private constructor(
    database: Database,
    before: RoomDocument,
    standings: readonly StandingDocument[],
    entries: readonly EntryDocument[],
  ) {
    this.#database = database;
    this.before = before;
    this.#read = new Map(standings.map((it) => [it.user, it]));
    this.#entries = new Map(entries.map((it) => [it._id, it]));
    const { count, owner, version, claim } = before;
    this.#changed = { count, owner, version, claim };
    this.#rev = before.rev;
  }

  get key(): RoomKey {
    return this.before._id;
  }

  /** As it will be. */
  get room(): RoomDocument {
    return { ...this.before, ...this.#changed, rev: this.#rev };
  }

  standing(user: string): Standing | undefined {
    return this.#standings.get(user) ?? this.#read.get(user);
  }

  setRoom(changed: Partial<Changed>): void {
    this.#changed = { ...this.#changed, ...changed };
  }

  setStanding(standing: Standing): void {
    this.#standings.set(standing.user, standing);
  }

  nextJoined(): number {
    this.#joins += 1;
    return (this.before.turn + 1) * JOINS_OF_TURN + this.#joins;
  }

  /** The member who has been one for the longest time. */
  async oldestMember(): Promise<Standing | undefined> {
    const { models, op } = this.#database;
    const query = models.standings.find({ room: this.key, joined: trusted({ $gt: 0 }) }, { _id: 0 });
    // As many as this turn may have removed, and one more.
    const few = query.sort({ joined: 1 }).limit(this.#standings.size + 1);
    const stored = await op(few.lean<StandingDocument[]>().exec());
    for (const it of stored) this.#read.set(it.user, it);
    const known = new Map<string, Standing>(stored.map((it) => [it.user, it]));
    for (const [user, standing] of this.#standings) known.set(user, standing);
    const members = [...known.values()].filter(({ joined }) => joined !== undefined);
    return members.sort((a, b) => (a.joined ?? 0) - (b.joined ?? 0))[0];
  }

  /** One that was not read beforehand. */
  async load(user: string): Promise<Standing | undefined> {
    const known = this.standing(user);
    if (known !== undefined) return known;
    const { models, op } = this.#database;
    const query = models.standings.findOne({ room: this.key, user }, { _id: 0 });
    const found = await op(query.lean<StandingDocument>().exec());
    if (found === null) return undefined;
    this.#read.set(user, found);
    return found;
  }

  message(id: string): EntryDocument | undefined {
    return this.#entries.get(id);
  }

  /** Gives the next rev to a change of a message, and the message as it becomes. */
  change(entry: EntryDocument, to?: { readonly text: string; readonly type: 1 | 2 }): EntryDocument {
    this.#rev += 1;
    const was = this.#changes.get(entry._id)?.was ?? entry.rev ?? null;
    const hadImage = this.#changes.get(entry._id)?.hadImage ?? entry.type === 3;
    this.#changes.set(entry._id, { id: entry._id, was, rev: this.#rev, hadImage, ...to });
    const { meta: _meta, ...bare } = entry;
    const next: EntryDocument = to
      ? { ...entry, message: to.text, type: to.type, rev: this.#rev }
      : { ...bare, message: '', deleted: true, rev: this.#rev };
    this.#entries.set(entry._id, next);
    return next;
  }

  isEmpty(): boolean {
    return this.#standings.size === 0 && this.#changes.size === 0;
  }

  decision(): { readonly changed: Changed; readonly pending: Pending } {
    const standings = [...this.#standings.values()].map((it) => ({
      ...it,
      was: this.#read.get(it.user)?.turn ?? null,
    }));
    const pending = { at: Date.now(), standings, changes: [...this.#changes.values()], rev: this.#rev };
    return { changed: this.#changed, pending };
  }
}
