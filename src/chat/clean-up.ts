import type { Message, RoomId } from './model.ts';
import { type Clock, iso } from './ports/clock.ts';
import type { Store } from './ports/store.ts';

const DAY_MS = 24 * 3_600_000;
/** Settled commands are kept this long, for whoever sends one again. */
const COMMANDS_MS = DAY_MS;
const ROOMS_AT_ONCE = 25;
/** So few that nobody who writes meanwhile notices. */
const REMOVED_AT_ONCE = 200;
const PICTURES_AT_ONCE = 10;
const PAUSE_MS = 20;

export interface CleanUpPorts {
  readonly store: Pick<Store, 'roomIds' | 'heads' | 'messages' | 'trim' | 'dropCommands'>;
  readonly clock: Clock;
  /** Messages older than so many days are given up; 0: none. */
  readonly retentionDays: number;
}

export interface CleanedUp {
  readonly messages: number;
  readonly rooms: number;
  readonly commands: number;
}

/**
 * Removes what is too old, from all rooms, step by step with pauses. Several may do so at once. Only ever the beginning of
 * a room goes: an older message behind a younger one (clocks differ) stays until that one is old, too.
 */
export async function cleanUp(ports: CleanUpPorts): Promise<CleanedUp> {
  const { store, clock, retentionDays } = ports;
  let [messages, rooms] = [0, 0];
  const before = iso(clock.now() - retentionDays * DAY_MS);
  for (let page = retentionDays > 0 ? await store.roomIds(ROOMS_AT_ONCE) : []; page.length > 0; ) {
    for (const [room, { firstSeq }] of await store.heads(page)) {
      const trimmed = await trimRoom(ports, room, firstSeq, before);
      messages += trimmed;
      if (trimmed > 0) rooms += 1;
    }
    await pause(clock);
    page = await store.roomIds(ROOMS_AT_ONCE, page.at(-1));
  }
  return { messages, rooms, commands: await dropCommands(ports) };
}

async function trimRoom({ store, clock }: CleanUpPorts, room: RoomId, firstSeq: number, before: string) {
  let next = firstSeq;
  // Most rooms have nothing to give up: one message tells.
  for (let limit = 1; ; limit = REMOVED_AT_ONCE) {
    const oldest = await store.messages(room, { from: next, to: next + limit - 1, order: 'asc', limit });
    const last = oldStep(oldest, before).at(-1);
    if (last === undefined) return next - firstSeq;
    if (limit === 1) continue;
    next = last.seq + 1;
    await store.trim(room, next);
    await pause(clock);
  }
}

/** Those in front of the first that is young, as many as go at once: a picture costs what hundreds of texts do. */
function oldStep(oldest: readonly Message[], before: string): readonly Message[] {
  let pictures = 0;
  const end = oldest.findIndex((it) => {
    if (it.type === 3) pictures += 1;
    return it.createdAt >= before || pictures > PICTURES_AT_ONCE;
  });
  return end < 0 ? oldest : oldest.slice(0, end);
}

async function dropCommands({ store, clock }: CleanUpPorts): Promise<number> {
  const before = iso(clock.now() - COMMANDS_MS);
  for (let dropped = 0; ; await pause(clock)) {
    const count = await store.dropCommands(before, REMOVED_AT_ONCE);
    dropped += count;
    if (count < REMOVED_AT_ONCE) return dropped;
  }
}

const pause = (clock: Clock): Promise<void> => new Promise((resolve) => clock.after(PAUSE_MS, resolve));
