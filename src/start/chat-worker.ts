import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Chat } from '../chat/chat.ts';
import { Hub } from '../chat/hub.ts';
import { oneAtATime } from '../chat/one-at-a-time.ts';
import { recoverCommands } from '../chat/post-command.ts';
import type { Config } from '../config/parse-config.ts';
import { createApi } from '../http/create-api.ts';
import { Link } from '../platform/link.ts';
import type { Logger } from '../platform/logger.ts';
import { countBus, countStore, createMetrics, watchParts } from '../platform/metrics.ts';
import type { Resources } from '../platform/resources.ts';
import { waitUntil } from '../platform/wait-until.ts';
import { openRealtime } from '../realtime/open-realtime.ts';
import { SessionRouter, takeOver } from '../realtime/session-router.ts';
import { cleanUpWhenTold } from './clean-up-when-told.ts';
import { type ClusterState, type Hello, isHandOver, type StopOrder, TOPICS } from './cluster-state.ts';
import { judgeReadiness } from './judge-readiness.ts';
import { linkOptions } from './link-options.ts';
import { maxConnections } from './max-connections.ts';
import { openAccounts } from './open-accounts.ts';
import { openFanout } from './open-fanout.ts';
import { openJobs } from './open-jobs.ts';
import { openStore } from './open-store.ts';
import { processChannel } from './process-channel.ts';
import { systemClock } from './system-clock.ts';
import { closeRefused } from './undelivered-handles.ts';

/** Node's 511 overflows when thousands connect at once. */
const BACKLOG = 4096;
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/** How late the two may be noticed. */
const CHECK_MS = 2000;
/** Longer than a proxy keeps its connections, so that the proxy closes first. */
const KEEP_ALIVE_MS = 65_000;
/** How long a followed room may not know that its beginning was trimmed. */
const COMPARE_MS = 60_000;

export interface ChatWorker {
  /** Ends within `SHUTDOWN_GRACE_MS`: clients are sent elsewhere, requests under way are answered. */
  drain(order: StopOrder): Promise<void>;
}

/** A worker's composition root: the drivers, the chat, its edges; last opened, first closed. */
export async function startChatWorker(
  config: Config,
  worker: string,
  socketDir: string,
  version: string,
  held: Resources,
  log: Logger,
  onStop: (order: StopOrder) => void,
): Promise<ChatWorker> {
  const metrics = createMetrics();
  const link = held.own('link', new Link(processChannel(process), linkOptions), (it) => it.close());
  // A main process of an older version says nothing more than to stop.
  link.on(TOPICS.stop, (order: StopOrder | null) => onStop(order ?? { all: false }));
  link.handle(TOPICS.alive, () => null);
  let state: ClusterState = { complete: false, storeAway: false, restartWanted: false };
  link.on(TOPICS.state, (next: ClusterState) => {
    state = next;
  });
  const clock = systemClock;
  const { accounts, guests, reach: accountsReach } = await openAccounts(config.accounts, held, log);
  const fanout = await openFanout(config.fanout, { link, instances: config.processes.instances, clock, held, log });
  // It tells of its coming to the hub below: nothing may be waited for between the two.
  const opened = await openStore(config.store, {
    link,
    clock,
    isWriterAway: () => state.storeAway,
    onBack: () => hub.suspect(),
    onRead: (read) => metrics.storeReads.inc({ read }),
    held,
    log,
  });
  const { store } = opened;
  const hub: Hub = new Hub({
    bus: fanout.bus,
    store,
    clock,
    log,
    repaired: (messages) => metrics.gapsRepaired.inc(messages > 0 ? 1 : 0),
  });
  held.own('feeds', hub.feeds, (it) => it.close());
  const queues = await openJobs(config, { link, held, log, onPutAside: (code) => metrics.putAside.inc({ code }) });
  const chat: Chat = {
    store,
    hub,
    jobs: queues.jobs,
    accounts,
    presence: fanout.presence,
    limits: fanout.limits,
    clock,
    log,
    appended: (seconds) => {
      metrics.messagesAppended.inc();
      metrics.appendSeconds.observe(seconds);
    },
    settings: {
      ...config.limits,
      commandEcho: config.bots.commandEcho,
      replyTimeoutMs: config.bots.replyTimeoutMs,
      forwardTokens: config.bots.tokenMode === 'forward',
    },
    commands: queues.commands,
  };

  const parts = { store: opened.reach, bus: fanout.reach, broker: queues.reach, accounts: accountsReach };
  if (opened.stats) countStore(metrics.registry, opened.stats);
  countBus(metrics.registry, fanout.counts ?? (() => ({ published: 0, heard: 0, lost: 0 })));
  watchParts(metrics.registry, parts);
  link.handle(TOPICS.ownMetrics, () => metrics.registry.getMetricsAsJSON());
  let draining = false;

  const webDir = fileURLToPath(new URL('../web', import.meta.url));
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
    },
    createApi({
      chat,
      ...(guests ? { guests } : {}),
      guestRate: config.limits.guests,
      log,
      metrics: {
        observeRequest: ({ method, route, status, seconds, code }) => {
          metrics.httpSeconds.observe({ method, route, status }, seconds);
          if (code !== undefined) metrics.errors.inc({ code });
        },
      },
      trustProxy: config.http.trustProxy,
      corsOrigin: config.http.corsOrigin,
      bodyBytes: config.limits.bodyBytes,
      readiness: () => ({ ...judgeReadiness(parts, state, draining), worker, pid: process.pid }),
      renderMetrics: async () => ({
        contentType: metrics.registry.contentType,
        body: await link.call<string>(TOPICS.metrics, null),
      }),
      ...(existsSync(join(webDir, 'index.html')) ? { webDir } : {}),
      version,
    }),
  );

  const { count, windowMs } = config.limits.messages ?? {};
  const realtime = openRealtime(server, {
    chat,
    worker,
    corsOrigin: config.http.corsOrigin,
    pingIntervalMs: config.socket.pingIntervalMs,
    pingTimeoutMs: config.socket.pingTimeoutMs,
    maxPayloadBytes: config.limits.bodyBytes,
    unread: { bytes: config.socket.maxUnreadBytes, ms: config.socket.maxUnreadMs },
    maxHandshakes: config.socket.maxHandshakes,
    allowQueryToken: config.socket.allowQueryToken,
    allowEio3: config.socket.allowEio3,
    revalidateMs: config.accounts.revalidateMs,
    rateText: windowMs === undefined ? 'off' : `${count}/${windowMs / 1000}s`,
    observe: {
      delivered: (sockets) => metrics.deliveries.inc(sockets),
      connected: (change) => metrics.sockets.inc(change),
      event: (_event, code) => {
        if (code !== 'ok') metrics.errors.inc({ code });
      },
      slowConsumerCut: () => metrics.slowConsumersCut.inc(),
    },
  });
  held.own('realtime', realtime, (it) => it.close());
  const connections = openConnections(server, log);
  const router = new SessionRouter({
    worker,
    socketPath: (name) => join(socketDir, `${name}.sock`),
    handOver: (to, head, socket) => {
      // Detached from this server first: it would wait for the connection's end in another process.
      Reflect.set(socket, 'server', null);
      // What is left of it here has no connection any more.
      process.send?.({ handOver: to, head }, socket, undefined, () => socket.destroy());
    },
    sendsAway: () => draining,
    log,
  });
  await router.attach(server);
  held.own('router', router, (it) => it.close());
  // A connection that lives longer than its worker breaks a request: each answer says that it is the last one. In front
  // of the router: what is passed on came over such connections, too.
  server.prependListener('request', (_request, response) => {
    if (draining) response.setHeader('Connection', 'close');
  });
  closeRefused(process);
  process.on('message', (message: unknown, socket: unknown) => {
    if (isHandOver(message) && socket) takeOver(server, Buffer.from(message.head), socket as Socket);
  });

  // A worker that takes another one's place must not refuse what the other could still do.
  await waitUntil(() => Object.values(parts).every((reach) => reach() === 'here'), performance.now() + REACH_MS);
  const unanswered = countUnanswered(server);
  const address = await listen(server, config.http.port, config.http.interface);
  held.own('server', server, (it) => it.closeAllConnections());
  const recover = oneAtATime(
    clock,
    () => recoverCommands(chat),
    (cause) => log.warn('open commands could not be taken up; trying again', { cause }),
  );
  hub.onSuspect(recover);
  const removeOld = cleanUpWhenTold({ store, clock, retentionDays: config.retentionDays }, log);
  link.on(TOPICS.cleanUp, removeOld);
  // Another worker may trim: followed rooms hear of it from the store.
  const compare = (): void => hub.feeds.compareAll();
  if (config.retentionDays > 0) held.own('trimmed rooms', setInterval(compare, COMPARE_MS), clearInterval);
  await queues.start(chat);
  // A store that is away tells when it comes. Nobody waits for it here: it may go away at any moment.
  if (opened.reach() === 'here') recover();
  link.tell(TOPICS.listening, { version, address: address.address, port: address.port } satisfies Hello);

  return {
    async drain({ all }) {
      if (draining) return;
      draining = true;
      const graceEndsAt = performance.now() + config.processes.shutdownGraceMs - CLOSE_MS;
      const stopListening = async (): Promise<void> => {
        // Not `http.Server.close`: that also cuts kept-alive connections on which a request may be on its way.
        NetServer.prototype.close.call(server);
        // Connections that the main process has handed over meanwhile are turned down by the cluster module and go to
        // another worker, but only by a process that lives until they have come.
        await link.call(TOPICS.closed, null, graceEndsAt - performance.now()).catch(() => {});
      };
      // Others take what comes. Without others, who polls needs a new connection to hear that it is to go.
      const closed = all ? undefined : stopListening();
      const windowEndsAt = performance.now() + config.processes.drainMs;
      await realtime.drain(config.processes.drainMs, graceEndsAt);
      await (closed ?? stopListening());
      await link.call(TOPICS.leaving, null, graceEndsAt - performance.now()).catch(() => {});
      // Kept-alive connections have the rest of the window to hear that their next answer is the last, and requests of new
      // ones are to be read.
      const heardAt = Math.max(windowEndsAt, performance.now() + LAST_REQUESTS_MS);
      await waitUntil(() => connections.size === 0, Math.min(heardAt, graceEndsAt));
      await waitUntil(() => unanswered() === 0, graceEndsAt);
      await Promise.race([router.drain(), sleep(ROUTED_MS)]);
      server.closeIdleConnections();
    },
  };
}

/** Parts get this long to be reached before clients come; without them there is `/livez` and `/readyz` to answer. */
const REACH_MS = 3000;
/** From its connection to a request. */
const LAST_REQUESTS_MS = 200;
/** For the last answers to what was posted for sessions of other workers. */
const ROUTED_MS = 300;
/** Kept free at the end of the grace for closing everything. */
const CLOSE_MS = 500;

/** The connections of clients, those with WebSockets too. One too many is closed at once. */
function openConnections(server: Server, log: Logger): Set<Socket> {
  const open = new Set<Socket>();
  const max = maxConnections();
  let told = false;
  server.on('connection', (socket) => {
    if (open.size >= max) {
      if (!told) log.error('connections are refused: raise the limit of open files (ulimit -n)', { connections: max });
      told = true;
      socket.destroy();
      return;
    }
    if (open.size < max / 2) told = false;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return open;
}

/** Requests that were heard and not answered yet; long polls are not waited for. */
function countUnanswered(server: Server): () => number {
  let count = 0;
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/socket.io/')) return;
    count += 1;
    response.once('close', () => {
      count -= 1;
    });
  });
  return () => count;
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', reject);
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address);
    });
  });
}
