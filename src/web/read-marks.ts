import type { Client } from '../sdk/client.ts';
import type { ChatState } from './chat-state.ts';
import { withEntry } from './chat-state.ts';
import { recallNumbers, remember } from './storage.ts';
import type { Store } from './store.ts';

/** Told to the server at most so often. */
const TELL_MS = 1000;

/**
 * How far each room was read: remembered here (the server tells of a mark only when the room is opened) and told to
 * the server, which tells this user's other devices.
 */
export function readMarks(store: Store<ChatState>, client: Client) {
  let key: string | undefined;
  const due = new Map<string, number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tell = (): void => {
    timer = undefined;
    for (const [room, seq] of due) {
      // The mark is kept here in any case, and the next one says more than this one.
      client.read(room, seq).catch(() => {});
    }
    due.clear();
  };

  const raise = (room: string, seq: number): boolean => {
    if ((store.state.reads.get(room) ?? -1) >= seq) return false;
    store.set({ reads: withEntry(store.state.reads, room, seq) });
    if (key !== undefined) remember(key, Object.fromEntries(store.state.reads));
    return true;
  };

  return {
    /** Whose marks these are. */
    load(user: string): void {
      if (key === `reads:${user}`) return;
      key = `reads:${user}`;
      store.set({ reads: new Map([...recallNumbers(key), ...store.state.reads]) });
    },

    /** What was there before this browser saw the room first is not new. */
    begin(room: string, headSeq: number): void {
      if (!store.state.reads.has(room)) raise(room, headSeq);
    },

    /** The mark of another device, or the server's. */
    learn: raise,

    read(room: string, seq: number): void {
      if (!raise(room, seq)) return;
      due.set(room, seq);
      timer ??= setTimeout(tell, TELL_MS);
    },

    close(): void {
      clearTimeout(timer);
      if (due.size > 0) tell();
    },
  };
}
