import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../support/engines.ts';
import { eventually } from '../../support/eventually.ts';
import { rest } from '../../support/rest.ts';
import type { SpawnedServer } from '../../support/spawn-server.ts';

const SEEN_MS = 30_000;
const WELL_MS = 45_000;
const REPLACED_MS = 60_000;
/** What is away stays away for up to that long after it was seen. */
const HOLD_MS = 3000;

export interface SoakFault {
  readonly name: string;
  /** Does it, and resolves when it is over and all is well again; rejects when it was not felt or does not end. */
  readonly run: () => Promise<void>;
}

/** The pids of workers that were killed here: no others may die. */
export type Killed = Set<number>;

interface Readiness {
  readonly reasons: readonly string[];
  readonly degraded: readonly string[];
}

/** Every worker is there, and none of them misses anything. */
export function becomesWell(server: SpawnedServer): Promise<unknown> {
  return eventually(
    'all is well',
    async () => {
      for (let n = 0; n < 2 * server.instances; n += 1) {
        const { status, body } = await rest<Readiness>(server.url, 'GET /readyz');
        if (status !== 200 || body.degraded.length > 0) return false;
      }
      return server.workerPids().length === server.instances;
    },
    WELL_MS,
  );
}

export function workerFaults(server: SpawnedServer, random: () => number, killed: Killed): SoakFault[] {
  const replaced = (old: readonly number[]) =>
    eventually(
      'they are replaced',
      () => {
        const now = server.workerPids();
        return now.length === server.instances && !now.some((it) => old.includes(it));
      },
      REPLACED_MS,
    );
  return [
    {
      name: 'kill -9 of a worker',
      async run() {
        const pids = server.workerPids().sort((a, b) => a - b);
        const pid = pids[Math.floor(random() * pids.length)] ?? 0;
        killed.add(pid);
        process.kill(pid, 'SIGKILL');
        await replaced([pid]);
        await becomesWell(server);
      },
    },
    {
      name: 'SIGHUP',
      async run() {
        const old = server.workerPids();
        server.signal('SIGHUP');
        await replaced(old);
        await becomesWell(server);
      },
    },
  ];
}

/** `part` as `/readyz` names it. */
export function engineFaults(server: SpawnedServer, random: () => number, engine: Engine, part: string): SoakFault[] {
  const isSeen = () =>
    eventually(
      `it is seen that ${part} is away`,
      async () => {
        const { body } = await rest<Readiness>(server.url, 'GET /readyz');
        return body.degraded.includes(part) || body.reasons.includes(part);
      },
      SEEN_MS,
    );
  return [
    {
      name: `kill -9 of the ${part}`,
      async run() {
        const { pid } = engine;
        await engine.kill();
        await isSeen();
        await sleep(random() * HOLD_MS);
        await engine.restart();
        if (engine.pid === pid) throw new Error(`the ${part} was not killed`);
        await becomesWell(server);
      },
    },
    {
      name: `SIGSTOP of the ${part}`,
      async run() {
        engine.freeze();
        try {
          await isSeen();
          await sleep(random() * HOLD_MS);
        } finally {
          engine.thaw();
        }
        await becomesWell(server);
      },
    },
  ];
}

/** All of them in a random order, then all of them again, with random pauses, until `endsAt`. Resolves with their counts. */
export async function playFaults(
  faults: readonly SoakFault[],
  random: () => number,
  pauseMs: number,
  endsAt: number,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let deck: SoakFault[] = [];
  while (faults.length > 0 && performance.now() < endsAt) {
    if (deck.length === 0) deck = [...faults];
    const [next] = deck.splice(Math.floor(random() * deck.length), 1);
    if (!next) continue;
    try {
      await next.run();
    } catch (cause) {
      throw new Error(`${next.name} (${[...counts]} before)`, { cause });
    }
    counts.set(next.name, (counts.get(next.name) ?? 0) + 1);
    await sleep(Math.min(random() * 2 * pauseMs, Math.max(0, endsAt - performance.now())));
  }
  return counts;
}
