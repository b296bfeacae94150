import { setTimeout as sleep } from 'node:timers/promises';
import { addFindings, checkLog, type Findings, noFindings } from './check-log.ts';
import { LoadClient } from './load-client.ts';
import { PublicApi } from './public-api.ts';
import { type Quantiles, quantilesOf } from './quantiles.ts';
import { randomNumbers } from './random-numbers.ts';

export interface VerifyOptions {
  readonly url: string;
  /** Of accounts that exist; absent: guests are made. */
  readonly tokens?: readonly string[];
  readonly clients: number;
  readonly rooms: number;
  readonly seconds: number;
  /** Messages a second, all clients together. */
  readonly rate: number;
  /** Connections cut a minute, all clients together. */
  readonly dropsPerMinute: number;
  /** The same load again. */
  readonly seed: number;
}

export interface VerifyResult {
  readonly messages: number;
  readonly acknowledged: number;
  readonly cuts: number;
  readonly ackMs: Quantiles;
  readonly backMs: Quantiles;
  readonly findings: Findings;
  /** Answers that stood in the way of the load itself. */
  readonly refusals: readonly string[];
  /** Nothing missing, nothing doubled, every list the history, and the load was real. */
  readonly ok: boolean;
}

/** After the load: until every receipt has come and every client holds everything. */
const SETTLE_MS = 30_000;
const ONLINE_MS = 30_000;
const TICK_MS = 1000;

async function becomesSo(ms: number, isSo: () => boolean): Promise<boolean> {
  for (const endsAt = performance.now() + ms; !isSo(); await sleep(20)) {
    if (performance.now() > endsAt) return false;
  }
  return true;
}

/**
 * Puts a load of real clients on a server, which send, are cut off, reconnect and resume, through the public surface
 * only, while others may do to the server what they like; then proves that nothing acknowledged is missing, nothing is
 * there twice and every client's list is the history, element by element.
 *
 * `tell` gets a line about once a second. Rejects when the load cannot be set up.
 */
export async function verify(options: VerifyOptions, tell: (line: string) => void): Promise<VerifyResult> {
  const { rooms: roomCount, seconds, rate } = options;
  const random = randomNumbers(options.seed);
  const api = new PublicApi(options.url);
  const tokens = options.tokens ?? (await times(options.clients, (n) => api.createGuest(`Verify ${n + 1}`)));
  const [owner] = tokens;
  if (owner === undefined) throw new Error('there is no token to begin with');
  const stamp = Date.now().toString(36);
  const rooms = await times(roomCount, (n) => api.createRoom(owner, `Verify ${stamp} ${n + 1}`));
  const clients: LoadClient[] = [];
  try {
    for (const [n, token] of tokens.entries()) {
      for (const room of rooms) await api.joinRoom(token, room);
      // Every third polls, as behind proxies that know nothing else; the rest begin as Socket.IO does by default.
      const transports = n % 3 === 2 ? ['polling'] : ['polling', 'websocket'];
      const client = new LoadClient(api.url, token, `client ${n + 1}`, transports);
      for (const room of rooms) client.follow(room);
      clients.push(client);
    }
    const online = () => clients.filter((it) => it.isOnline).length;
    if (!(await becomesSo(ONLINE_MS, () => online() === clients.length))) {
      throw new Error(`only ${online()} of ${clients.length} clients came online: ${refusalsOf(clients).join('; ')}`);
    }

    const sum = (of: (it: LoadClient) => number) => clients.reduce((total, it) => total + of(it), 0);
    const startedAt = performance.now();
    const elapsed = () => (performance.now() - startedAt) / 1000;
    let stop = false;
    let sent = 0;
    const sends = new Set<Promise<void>>();
    let dropped = 0;
    for (let told = 0; elapsed() < seconds; await sleep(5)) {
      for (; sent < elapsed() * rate; sent += 1) {
        // At random some would send more than a user may, and their receipts wait.
        const client = inTurn(clients, sent);
        const room = pick(rooms, random);
        const sending = client.send(room, `message ${sent} of ${client.name}`, () => stop);
        sends.add(sending);
        void sending.finally(() => sends.delete(sending));
      }
      for (; dropped < (elapsed() * options.dropsPerMinute) / 60; dropped += 1) pick(clients, random).drop();
      if (elapsed() * 1000 < told) continue;
      told += TICK_MS;
      const acked = sum((it) => it.acked.length);
      tell(
        `${elapsed().toFixed(0)} s: ${sent} sent, ${acked} acknowledged, ${online()} online, ${sum((it) => it.cuts)} cuts`,
      );
    }

    tell('the load ends; waiting for the last receipts');
    await becomesSo(SETTLE_MS, () => sends.size === 0);
    stop = true;
    await Promise.all(sends);
    const histories = new Map<string, Awaited<ReturnType<PublicApi['readHistory']>>>();
    for (const room of rooms) histories.set(room, await api.readHistory(owner, room));
    tell('comparing');
    await becomesSo(SETTLE_MS, () =>
      clients.every(
        (it) => it.isCurrent && rooms.every((room) => it.lengthOf(room) >= (histories.get(room)?.length ?? 0)),
      ),
    );

    const findings = noFindings();
    for (const [room, history] of histories) {
      const found = checkLog(
        room,
        history,
        clients.map((it) => it.witnessOf(room)),
      );
      addFindings(findings, found);
    }
    const refusals = refusalsOf(clients);
    const acknowledged = sum((it) => it.acked.length);
    const isClean = Object.values(findings).every((it) => it.length === 0);
    return {
      messages: [...histories.values()].reduce((total, it) => total + it.length, 0),
      acknowledged,
      cuts: sum((it) => it.cuts),
      ackMs: quantilesOf(clients.flatMap((it) => it.ackMs)),
      backMs: quantilesOf(clients.flatMap((it) => it.backMs)),
      findings,
      refusals,
      ok: isClean && refusals.length === 0 && acknowledged > 0,
    };
  } finally {
    for (const it of clients) it.close();
    for (const room of rooms) {
      await api.deleteRoom(owner, room).catch(() => tell(`the room ${room} could not be removed`));
    }
  }
}

const refusalsOf = (clients: readonly LoadClient[]): string[] => [
  ...new Set(clients.flatMap((it) => it.refusals.map((refusal) => `${it.name}: ${refusal}`))),
];

async function times<T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let n = 0; n < count; n += 1) made.push(await make(n));
  return made;
}

const pick = <T>(from: readonly T[], random: () => number): T => inTurn(from, Math.floor(random() * from.length));

function inTurn<T>(from: readonly T[], n: number): T {
  const found = from[n % from.length];
  if (found === undefined) throw new Error('there is nothing to choose from');
  return found;
}
