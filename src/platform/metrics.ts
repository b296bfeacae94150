import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Reach } from './reach.ts';

/** Powers of about three from 0.3 ms to 10 s: one row for commits, one for requests. */
const SECONDS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/**
 * What a worker counts. Labels are from closed sets (routes as patterns, codes of the error table), never from what
 * a client sends: every new value of a label is memory for good.
 *
 * The primary asks its workers for their registries as JSON and adds them up. Each gauge says how it is added up: one
 * without would be summed, which is wrong for anything but counts.
 */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  return {
    registry,

    messagesAppended: counter('parley_messages_appended_total', 'Messages the store has committed'),
    deliveries: counter('parley_deliveries_total', 'Messages handed to connections'),
    appendSeconds: new Histogram({
      name: 'parley_append_duration_seconds',
      help: 'From the call of the store to its commit',
      buckets: SECONDS,
      registers,
    }),
    gapsRepaired: counter('parley_feed_gaps_repaired_total', 'Times a room was caught up from the store'),

    storeReads: new Counter({
      name: 'parley_store_reads_total',
      help: 'Reads made of the store, by what was asked',
      labelNames: ['read'] as const,
      registers,
    }),

    sockets: new Gauge({ name: 'parley_sockets', help: 'Connected sockets', aggregator: 'sum', registers }),
    slowConsumersCut: counter('parley_slow_consumers_cut_total', 'Sockets cut because they did not read'),

    /** Its `_count` is the number of requests. */
    httpSeconds: new Histogram({
      name: 'parley_http_request_duration_seconds',
      help: 'REST requests by method, route pattern and status',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: SECONDS,
      registers,
    }),
    errors: new Counter({
      name: 'parley_errors_total',
      help: 'Errors answered, by code of the error table',
      labelNames: ['code'] as const,
      registers,
    }),
    putAside: new Counter({
      name: 'parley_replies_put_aside_total',
      help: 'Messages of bots that went to the dead-letter queue, by code of the error table',
      labelNames: ['code'] as const,
      registers,
    }),
  };
}

/** Counters whose values are kept elsewhere: `[name, help, field]` rows, read when somebody asks for the metrics. */
function mirror<F extends string>(
  registry: Registry,
  rows: readonly (readonly [name: string, help: string, field: F])[],
  read: () => Readonly<Record<F, number>>,
): void {
  for (const [name, help, field] of rows) {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read()[field]);
      },
    });
  }
}

/** Adds the commits of a store that this process writes. */
export const countStore = (registry: Registry, read: () => Record<'batches' | 'writes' | 'failures', number>): void =>
  mirror(
    registry,
    [
      ['parley_store_batches_total', 'Commits of the store', 'batches'],
      ['parley_store_writes_total', 'Writes in those commits', 'writes'],
      ['parley_store_failures_total', 'Commits that failed; with MongoDB every operation that did', 'failures'],
    ],
    read,
  );

/** Adds what went over a bus that is not the cluster's own. */
export const countBus = (registry: Registry, read: () => Record<'published' | 'heard' | 'lost', number>): void =>
  mirror(
    registry,
    [
      ['parley_bus_published_total', 'Events that Redis has taken', 'published'],
      ['parley_bus_heard_total', 'Events of other nodes that were heard', 'heard'],
      ['parley_bus_lost_total', 'Events that Redis did not take, or perhaps not', 'lost'],
    ],
    read,
  );

/** Adds the workers that died and were replaced. */
export const countDeaths = (registry: Registry, read: () => Record<'deaths' | 'hung', number>): void =>
  mirror(
    registry,
    [
      ['parley_worker_deaths_total', 'Workers that died and were replaced', 'deaths'],
      ['parley_workers_hung_total', 'Workers that were killed because they answered nothing', 'hung'],
    ],
    read,
  );

/** Whether each part that may be elsewhere is here (1) or not (0); of several workers, what the worst one sees. */
export function watchParts(registry: Registry, parts: Readonly<Record<string, () => Reach>>): void {
  new Gauge({
    name: 'parley_part_up',
    help: 'Whether a part (store, bus, broker, accounts) answers, as the worker that sees least of it',
    labelNames: ['part'] as const,
    aggregator: 'min',
    registers: [registry],
    collect() {
      for (const [part, reach] of Object.entries(parts)) this.set({ part }, reach() === 'here' ? 1 : 0);
    },
  });
}
