import type { Client } from '../sdk/client.ts';
import { type ChatState, withEntry } from './chat-state.ts';
import type { Store } from './store.ts';

/** The server passes one on in 2 s. */
const TELL_MS = 2000;
/** Somebody whose "no longer" was lost. */
const FORGET_MS = 7000;

/** Who is typing, and telling others that this user is. */
export function typing(store: Store<ChatState>, client: Client) {
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  let toldAt = 0;
  let toldRoom: string | undefined;

  const show = (room: string, user: string, name: string | undefined): void => {
    const of = withEntry(store.state.typing.get(room) ?? new Map<string, string>(), user, name);
    store.set({ typing: withEntry(store.state.typing, room, of.size === 0 ? undefined : of) });
  };

  const stop = (): void => {
    if (toldRoom !== undefined) client.typing(toldRoom, false);
    toldRoom = undefined;
    toldAt = 0;
  };

  const heard = (room: string, user: string, name: string | undefined): void => {
    const key = `${room}\n${user}`;
    clearTimeout(timers.get(key));
    timers.delete(key);
    show(room, user, name);
    if (name !== undefined)
      timers.set(
        key,
        setTimeout(() => heard(room, user, undefined), FORGET_MS),
      );
  };

  return {
    heard,

    /** A key was pressed in the composer. */
    typed(room: string): void {
      if (toldRoom === room && Date.now() - toldAt < TELL_MS) return;
      if (toldRoom !== room) stop();
      toldRoom = room;
      toldAt = Date.now();
      client.typing(room, true);
    },

    stop,

    close(): void {
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}
