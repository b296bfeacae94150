import type { LoggedMessage } from './room-journal.ts';

/** A receipt, as a client holds it. */
export interface Acked {
  readonly room: string;
  readonly clientId: string;
  readonly id: string;
  readonly seq: number;
}

/** What a client shows of itself for the check of one room. */
export interface Witness {
  readonly name: string;
  readonly acked: readonly Acked[];
  /** What it holds of the room, in the order it was applied; undefined when it does not follow it. */
  readonly applied: readonly LoggedMessage[] | undefined;
  /** Rules that were broken while it listened. */
  readonly faults: readonly string[];
}

/** What is wrong, by kind, each with one sentence per case. */
export interface Findings {
  /** The history has a hole, a repetition, or a clientId twice. */
  readonly broken: string[];
  /** Acknowledged, and not in the history under the id and seq of its receipt. */
  readonly lost: string[];
  /** Lists that are not the history, element by element. */
  readonly different: string[];
  /** Rules of delivery that a client saw broken. */
  readonly faults: string[];
}

export const noFindings = (): Findings => ({ broken: [], lost: [], different: [], faults: [] });

/** Of several rooms in one. */
export function addFindings(to: Findings, more: Findings): void {
  for (const kind of ['broken', 'lost', 'different', 'faults'] as const) to[kind].push(...more[kind]);
}

/**
 * Compares a room's history with what its clients were told and hold. Knows nothing of the server: it is the judge, so
 * nothing of what is judged may be in it.
 */
export function checkLog(room: string, history: readonly LoggedMessage[], witnesses: readonly Witness[]): Findings {
  const broken = history.flatMap((it, at) => (it.seq === at + 1 ? [] : [`seq ${it.seq} stands at place ${at + 1}`]));
  const byClientId = new Map<string, LoggedMessage>();
  const ids = new Set<string>();
  for (const it of history) {
    if (it.clientId !== undefined) {
      if (byClientId.has(it.clientId)) broken.push(`the clientId of seq ${it.seq} is there twice`);
      byClientId.set(it.clientId, it);
    }
    if (ids.has(it.id)) broken.push(`the id of seq ${it.seq} is there twice`);
    ids.add(it.id);
  }
  const lost = witnesses.flatMap(({ name, acked }) =>
    acked
      .filter((it) => it.room === room)
      .flatMap(({ clientId, id, seq }) => {
        const stored = byClientId.get(clientId);
        if (stored === undefined) return [`${name} holds a receipt for seq ${seq}, and it is not in the history`];
        if (stored.id === id && stored.seq === seq) return [];
        return [`${name} holds a receipt for seq ${seq}, and the history has it as ${stored.seq}`];
      }),
  );
  const different = witnesses.flatMap(({ name, applied }) => {
    if (applied === undefined) return [];
    const at = firstDifference(applied, history);
    if (at === undefined) return [];
    return [`${name} holds ${applied.length} of ${history.length}, and differs from the history at place ${at + 1}`];
  });
  const faults = witnesses.flatMap(({ name, faults: found }) => found.map((it) => `${name}: ${it}`));
  return { broken, lost, different, faults };
}

function firstDifference(list: readonly LoggedMessage[], history: readonly LoggedMessage[]): number | undefined {
  for (let at = 0; at < Math.max(list.length, history.length); at += 1) {
    const [mine, true_] = [list[at], history[at]];
    if (mine?.id !== true_?.id || mine?.seq !== true_?.seq || mine?.message !== true_?.message) return at;
  }
  return undefined;
}
