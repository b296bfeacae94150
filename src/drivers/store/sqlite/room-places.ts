import { noSuchRoom } from '../../../chat/errors.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { HEAD } from './rows.ts';

/** Where a room's next message goes. */
interface Place {
  /** The room's inner key. */
  readonly room: number;
  head: number;
}

/** Beyond these all are forgotten: looking again costs a tenth of a write. */
const MAX_ROOMS = 10_000;

/** By connection and room id. Right because nobody but the one writer moves a head. */
const known = new WeakMap<GuardedDatabase, Map<string, Place>>();

/** Throws `invalid_chatroom` when there is no such room. Whoever writes at `head + 1` raises it. */
export function placeOf(db: GuardedDatabase, id: string): Place {
  let places = known.get(db);
  if (places === undefined || places.size >= MAX_ROOMS) {
    places = new Map();
    known.set(db, places);
  }
  let place = places.get(id);
  if (place === undefined) {
    place = db.first<Place>(`SELECT rooms.key AS room, ${HEAD} AS head FROM rooms WHERE rooms.id = ?`, [id]);
    if (place === undefined) throw noSuchRoom();
    places.set(id, place);
  }
  return place;
}

/** After whatever may have made them wrong: a transaction that was taken back, a room that was deleted. */
export const forgetPlaces = (db: GuardedDatabase): void => void known.delete(db);
