import cluster from 'node:cluster';
import type { Socket } from 'node:net';
import { AggregatorRegistry, Registry } from 'prom-client';
import type { Config } from '../config/parse-config.ts';
import { ClusterBusRelay } from '../drivers/bus/cluster/cluster-bus-relay.ts';
import { LocalQueue } from '../drivers/jobs/local/local-queue.ts';
import { ClusterLimitsTable } from '../drivers/limits/cluster/cluster-limits-table.ts';
import { ClusterPresenceTable } from '../drivers/presence/cluster/cluster-presence-table.ts';
import { SqliteWriter } from '../drivers/store/sqlite/sqlite-writer.ts';
import type { Write } from '../drivers/store/sqlite/write-operations.ts';
import type { Logger } from '../platform/logger.ts';
import { countDeaths, countStore } from '../platform/metrics.ts';
import type { Resources } from '../platform/resources.ts';
import { ANY_WORKER, refuseSession, stopReading } from '../realtime/session-router.ts';
import { turnAwaySocket } from '../realtime/turn-away.ts';
import { choosePort } from './choose-port.ts';
import { type ClusterState, type HandOverMessage, isHandOver, TOPICS } from './cluster-state.ts';
import { openSocketFolder, removeFolder } from './socket-folder.ts';
import { systemClock } from './system-clock.ts';
import { WorkerPool } from './worker-pool.ts';

export interface Primary {
  rollingRestart(): Promise<void>;
}

const METRICS_MS = 1000;
const STORE_WATCH_MS = 500;
const CLEAN_UP_MS = 5 * 60_000;

/**
 * The main process: forks the workers, writes the embedded store and keeps what they share on one machine. It serves no
 * client itself; of those on their way from one worker to another it refuses whose worker is gone.
 */
export async function startPrimary(
  config: Config,
  version: string,
  held: Resources,
  log: Logger,
  onReady: (url: string) => void,
): Promise<Primary> {
  const writer =
    config.store.kind === 'sqlite'
      ? held.own('store', await SqliteWriter.open(config.store.dir), (it) => it.close())
      : undefined;
  const sockets = held.own('sockets', await openSocketFolder(), removeFolder);
  const metrics = new Registry();
  if (writer) countStore(metrics, () => writer.stats);
  const relay = new ClusterBusRelay();
  const presence = new ClusterPresenceTable();
  const limits = new ClusterLimitsTable(systemClock);
  const jobs = new LocalQueue(systemClock, log);

  countDeaths(metrics, () => pool);

  const port = await choosePort(config.http.interface, config.http.port);
  let state: ClusterState = { complete: false, storeAway: false, restartWanted: false };
  const change = (next: Partial<ClusterState>): void => {
    state = { ...state, ...next };
    for (const { link } of pool.workers) link.tell(TOPICS.state, state);
  };

  // Structured clone: pictures cross as bytes.
  cluster.setupPrimary({ serialization: 'advanced' });
  const pool = new WorkerPool({
    size: config.processes.instances,
    graceMs: config.processes.shutdownGraceMs,
    log,
    env: () => ({ PARLEY_SOCKETS: sockets, PORT: String(port) }),
    onStart: (it) => {
      for (const part of [relay, presence, limits, jobs]) part.attach(it.link);
      // What it was told while it was stuck was dropped, and nothing may change for long.
      it.link.onRecovered(() => it.link.tell(TOPICS.state, state));
      if (writer) it.link.handle(TOPICS.write, (write: Write) => writer.submit(write));
      it.link.handle(TOPICS.closed, () => {
        it.takesSessions = false;
        return null;
      });
      it.link.handle(TOPICS.leaving, () => {
        it.holdsSessions = false;
        return null;
      });
      it.link.handle(TOPICS.metrics, () => collectMetrics(pool, metrics));
      it.worker.on('message', (message: unknown, socket: unknown) => {
        if (isHandOver(message)) passOn(pool, message, socket as Socket | undefined);
      });
    },
    onListening: (it, hello) => {
      it.link.tell(TOPICS.state, state);
      if (hello.version !== version && !state.restartWanted) {
        log.warn('a worker runs another version than the main process: restart the whole server', { version });
        change({ restartWanted: true });
      }
      const listening = pool.workers.filter((it) => it.listens).length;
      if (state.complete || listening < config.processes.instances) return;
      change({ complete: true });
      cleanUp();
      const url = urlOf(hello.address, hello.port);
      writer?.lock.announce(url);
      onReady(url);
    },
    onGone: (it) => {
      for (const part of [relay, presence, jobs]) part.detach(it.link);
    },
  });

  // One worker of this server at a time; several servers may come upon the same, which is as good as once.
  const cleanUp = (): void => pool.anyone()?.link.tell(TOPICS.cleanUp, null);
  held.own('clean-up', setInterval(cleanUp, CLEAN_UP_MS), clearInterval);

  const watch = (disk: SqliteWriter) => () => {
    const { away } = disk;
    if (away) void disk.probe(); // without clients' writes nothing else would find out that it is back
    if (away !== state.storeAway) {
      log[away ? 'error' : 'info'](away ? 'the store takes no writes' : 'the store takes writes again');
      change({ storeAway: away });
    }
  };
  if (writer) held.own('store watch', setInterval(watch(writer), STORE_WATCH_MS), clearInterval);

  pool.start();
  held.own('workers', pool, (it) => it.stop());
  return { rollingRestart: () => pool.rollingRestart() };
}

/** What was read of it comes along in the message; nothing more may be read until the worker has the connection. */
function passOn(pool: WorkerPool, message: HandOverMessage, socket: Socket | undefined): void {
  if (!socket) return; // closed by its client on the way
  stopReading(socket);
  const anyone = message.handOver === ANY_WORKER;
  const to = anyone ? pool.anyone() : pool.holderOf(message.handOver);
  if (to?.worker.isConnected()) {
    to.worker.send(message, socket, (error) => {
      if (error) socket.destroy();
    });
  } else if (anyone) turnAwaySocket(socket);
  else refuseSession(socket);
}

async function collectMetrics(pool: WorkerPool, own: Registry): Promise<string> {
  // A worker that is stuck is left out: its figures come back with it.
  const answers = await Promise.allSettled(
    pool.workers.map(({ link }) => link.call<object[]>(TOPICS.ownMetrics, null, METRICS_MS)),
  );
  const found = answers.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
  const workers = await AggregatorRegistry.aggregate(found).metrics();
  return `${workers}\n${await own.metrics()}`;
}

const urlOf = (address: string, port: number): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
