import { randomUUID } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Quantiles, quantilesOf } from '../../../src/verify/quantiles.ts';
import { comeBack } from '../../support/come-back.ts';
import { readMetrics, sumOf } from '../../support/metrics.ts';
import type { Attempt, RawClient } from '../../support/raw-client.ts';
import { expectStatus, rest } from '../../support/rest.ts';

/** 503 with the time to come back after, and a connection that ended before it was let in: both are tried again. */
const IS_CLEAN = /^503 retry-after \d+$|^closed$|^error ECONN(?:REFUSED|RESET)$/;

export interface HerdFigures {
  /** From the moment all were let loose until each was in and had everything, ms. */
  readonly back: Quantiles;
  /** Reads of the store, by client. */
  readonly readsEach: number;
  /** How attempts ended that did not lead in, and how often. */
  readonly sentAway: Readonly<Record<string, number>>;
  /** Those of them that no client should meet. */
  readonly unclean: readonly Attempt[];
  /** In words. */
  readonly told: Readonly<Record<'back' | 'reads' | 'sentAway' | 'loopDelay' | 'cpu', string>>;
}

/** Of one herd after the other, in words. */
export const toldOf = (herds: readonly HerdFigures[], what: keyof HerdFigures['told']): string =>
  herds.map((it) => it.told[what]).join('; then ');

/** Lets all clients come back at once; `url` is where the server says its metrics. */
export async function measureHerd(url: string, clients: readonly RawClient[]): Promise<HerdFigures> {
  const before = await readMetrics(url);
  const refusedBefore = clients.map((it) => it.refusals.length);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const startedAt = performance.now();
  const backMs: number[] = [];
  await Promise.all(
    clients.map(async (it) => {
      await comeBack(it);
      backMs.push(performance.now() - startedAt);
    }),
  );
  delay.disable();
  const metrics = await readMetrics(url);
  const reads = [...metrics].flatMap(([name, value]): [string, number][] => {
    const more = value - (before.get(name) ?? 0);
    return name.startsWith('parley_store_reads_total') && more > 0 ? [[name, more]] : [];
  });
  const readsEach = reads.reduce((sum, [, more]) => sum + more, 0) / clients.length;
  const kinds = reads.map(([name, more]) => `${/"(\w+)"/.exec(name)?.[1]} ${more}`);
  const refusals = clients.flatMap((it, n) => it.refusals.slice(refusedBefore[n]));
  const sentAway: Record<string, number> = {};
  for (const it of refusals) sentAway[it] = (sentAway[it] ?? 0) + 1;
  const back = quantilesOf(backMs);
  return {
    back,
    readsEach,
    sentAway,
    unclean: refusals.filter((it) => !IS_CLEAN.test(it)),
    told: {
      back: `p50 ${back.p50}, p99 ${back.p99}, max ${back.max} ms`,
      reads: `${readsEach.toFixed(2)} (${kinds.join(', ')})`,
      sentAway: JSON.stringify(sentAway),
      loopDelay: `p99 ${Math.round(delay.percentile(99) / 1e6)} ms`,
      cpu: `${sumOf(metrics, 'process_cpu_seconds_total').toFixed(1)} s since their start`,
    },
  };
}

/** What the herd has missed. */
export async function postEverywhere(
  url: string,
  token: string,
  rooms: readonly string[],
  each: number,
): Promise<void> {
  await Promise.all(
    rooms.map(async (room) => {
      for (let n = 0; n < each; n += 1) {
        const body = { message: `message ${n}`, clientId: randomUUID() };
        await expectStatus(201, rest(url, `POST /v1/chat/rooms/${room}/messages`, { token, body }));
      }
    }),
  );
}
