import { overlay } from '../platform/overlay.ts';
import type { Clock } from './ports/clock.ts';
import type { Store } from './ports/store.ts';

/** The same is read again only after this. */
const REST_MS = 5;

/** Resolves when what has come by now has been looked at: of many who come at once, the others ask by then, too. */
const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * A store in which those who ask the same at the same time share one read. It is for what a thousand clients ask that
 * come back at once: whether their tokens were revoked, which rooms there are, who is in them, what happened in them.
 *
 * What is asked for is read when the present turn of the event loop ends or, where the same was read just before, a few
 * milliseconds after that. Nobody joins a read that is under way: no answer is older than its question, and who was
 * removed or banned before gets nothing by somebody else's earlier read.
 *
 * What is about one user alone (standing, read marks) stays a read of its own.
 */
export function shareReads(store: Store, clock: Pick<Clock, 'after'>): Store {
  const asked = new Map<string, Promise<readonly unknown[]>>();
  const beginOf = paced(clock);

  function once<T>(question: readonly unknown[], read: () => Promise<readonly T[]>): Promise<T[]> {
    const key = JSON.stringify(question);
    const shared =
      (asked.get(key) as Promise<readonly T[]> | undefined) ??
      beginOf(key).then(() => {
        asked.delete(key);
        return read();
      });
    asked.set(key, shared);
    // Each gets a list of its own, to sort or cut as it likes.
    return shared.then((it) => [...it]);
  }

  let subjects = new Set<string>();
  let revocations: Promise<Map<string, number>> | undefined;

  return overlay<Store>(store, {
    listRooms: (query) => once(['rooms', query], () => store.listRooms(query)),
    members: (room) => once(['members', room], () => store.members(room)),
    messages: (room, window) => once(['messages', room, window], () => store.messages(room, window)),
    changedSince: (room, rev, limit) => once(['changes', room, rev, limit], () => store.changedSince(room, rev, limit)),
    async revocations(wanted) {
      for (const it of wanted) subjects.add(it);
      revocations ??= beginOf('revocations').then(() => {
        const all = [...subjects];
        subjects = new Set();
        revocations = undefined;
        return store.revocations(all);
      });
      const found = await revocations;
      return new Map(
        wanted.flatMap((it): [string, number][] => {
          const at = found.get(it);
          return at === undefined ? [] : [[it, at]];
        }),
      );
    },
  });
}

/** Gives a function that resolves when a read of that name may begin: soon, and {@link REST_MS} after the one before. */
function paced(clock: Pick<Clock, 'after'>): (name: string) => Promise<void> {
  const resting = new Map<string, Promise<void>>();
  return async (name) => {
    await (resting.get(name) ?? endOfTurn());
    const rest = new Promise<void>((resolve) => {
      clock.after(REST_MS, () => {
        resting.delete(name);
        resolve();
      });
    });
    resting.set(name, rest);
  };
}
