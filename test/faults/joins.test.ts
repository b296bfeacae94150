import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterAll, describe, it } from '@jest/globals';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import type { CaughtUpPage, LoggedMessage } from '../../src/verify/room-journal.ts';
import { comeInOrderly } from '../support/come-back.ts';
import { eventually } from '../support/eventually.ts';
import { type PreparedUser, prepareFolder } from '../support/prepared-folder.ts';
import { randomOf } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { openEngine } from '../support/raw-engine.ts';
import { readHistory } from '../support/rest.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { TestBed } from '../support/test-bed.ts';
import { LONG } from './harness/patience.ts';
import { recordFigures } from './harness/record-figures.ts';

const JOINS = LONG ? 10_000 : 1000;
const AT_ONCE = 24;
const PER_SECOND = 200;
const SENDERS = 6;
/** How far back a cursor may lie: nothing at all, within what a worker keeps, and behind that. */
const BACK_MAX = 400;
/** Live messages that are looked at behind each answer. */
const LIVE = 8;
const NS = '/v1/channel';
const WITHIN_MS = 15_000;

type Answer = CaughtUpPage & { readonly error: number };

interface Joined {
  readonly gaps: string[];
  readonly doubles: string[];
  /** By seq: what was in answers and what came live. */
  readonly seen: ReadonlyMap<number, LoggedMessage>;
  readonly pages: number;
  /** Live messages that came between the question and its answer. */
  readonly meanwhile: number;
}

describe('R23: joins with a cursor, while messages come', () => {
  const bed = new TestBed();
  afterAll(() => bed.close(), 60_000);

  it(`leave no gap and no double between history and live, in ${JOINS} of them at ${PER_SECOND} messages/s`, async () => {
    const dataDir = join(await bed.folder(), 'data');
    // Half of those who join are members already: their sockets hear the room before they ask.
    const prepared = await prepareFolder(dataDir, { rooms: 1, users: SENDERS + AT_ONCE }, (n) =>
      n < SENDERS || n % 2 === 0 ? [0] : [],
    );
    const { rooms, owner, users } = prepared;
    const [room = ''] = rooms;
    const server = await bed.server({ DATA_DIR: dataDir, INSTANCES: '3', LOG: 'warn' });
    const { url, port } = server;
    const senders = users
      .slice(0, SENDERS)
      .map((it, n) =>
        bed.own(new RawClient(url, it.token, it.name, n === 0 ? [room] : []), (client) => client.close()),
      );
    await comeInOrderly(senders);
    const [watcher] = senders;
    assert.ok(watcher);
    const load = bed.own(
      startSteadySender(senders, () => room, PER_SECOND, 20),
      (it) => it.stop(),
    );
    await eventually('there is a history', () => watcher.lengthOf(room) > BACK_MAX, WITHIN_MS);

    const startedAt = performance.now();
    const random = randomOf(23);
    const done: Joined[] = [];
    const loops = users.slice(SENDERS).map(async (user) => {
      while (done.length < JOINS) {
        const back = random.chance(0.2) ? 0 : random.int(BACK_MAX);
        done.push(await joinOnce(Number(port), user, room, watcher.lengthOf(room) - back));
      }
    });
    await Promise.all(loops);
    const tookMs = performance.now() - startedAt;
    await load.stop();
    assert.deepEqual(load.refusals, []);

    const history = await readHistory(url, owner.token, room);
    assert.deepEqual(
      history.map((it) => it.seq),
      history.map((_, at) => at + 1),
    );
    const strangers = done.flatMap(({ seen }) =>
      [...seen].flatMap(([seq, { id }]) => (history[seq - 1]?.id === id ? [] : [`${seq} is ${id}`])),
    );
    const [gaps, doubles] = [done.flatMap((it) => it.gaps), done.flatMap((it) => it.doubles)];
    const busy = done.filter((it) => it.meanwhile > 0).length;
    const paged = done.filter((it) => it.pages > 1).length;
    const rate = (load.sent() * 1000) / tookMs;
    recordFigures({
      run: 'R23',
      over: 'embedded',
      fault: `${done.length} joins with after, ${AT_ONCE} at a time, on 3 workers at ${PER_SECOND} messages/s`,
      bite: `${busy} had live messages between the question and its answer, ${paged} took several pages`,
      figures: [
        { what: 'gaps', value: String(gaps.length), limit: '0' },
        { what: 'doubles', value: String(doubles.length), limit: '0' },
        { what: 'messages that the history does not have so', value: String(strangers.length), limit: '0' },
        { what: 'live messages meanwhile', value: `max ${quantilesOf(done.map((it) => it.meanwhile)).max}` },
        { what: 'joins', value: `${Math.round((done.length * 1000) / tookMs)}/s` },
      ],
    });
    assert.deepEqual({ gaps, doubles, strangers }, { gaps: [], doubles: [], strangers: [] });
    assert.ok(busy > JOINS / 10 && paged > JOINS / 10, 'the boundary was hardly met');
    assert.ok(rate > PER_SECOND * 0.9, `${rate} messages/s`);
  }, 600_000);
});

/** Connects, asks for what came after the cursor until nothing is missing, listens for a while, and goes. */
async function joinOnce(port: number, { token, rooms }: PreparedUser, room: string, cursor: number): Promise<Joined> {
  const engine = openEngine(port);
  try {
    await engine.opened();
    engine.send(`40${NS},${JSON.stringify({ token, batch: true })}`);
    await engine.packet((it) => it.startsWith(`40${NS}`));
    let at = cursor;
    let pages = 0;
    for (let hasMore = true; hasMore; pages += 1) {
      const ask = pages === 0 ? ['join', { chatroom: room, after: at }] : ['resume', { rooms: { [room]: at } }];
      engine.send(`42${NS},${pages}${JSON.stringify(ask)}`);
      const packet = await engine.packet((it) => it.startsWith(`43${NS},${pages}[`));
      const page = pageOf(packet, room);
      hasMore = page.hasMore;
      at = page.messages.at(-1)?.seq ?? at;
    }
    await eventually('more comes live', () => afterLastAnswer(engine.packets) >= LIVE, WITHIN_MS);
    // Who was no member is none again.
    if (rooms.length === 0) {
      engine.send(`42${NS},99["leave",${JSON.stringify({ chatroom: room })}]`);
      await engine.packet((it) => it.startsWith(`43${NS},99[`));
    }
    return judge(engine.packets, room, cursor, pages);
  } finally {
    engine.destroy();
  }
}

const isMessage = (packet: string): boolean => packet.startsWith(`42${NS},["message",`);
const isAnswer = (packet: string): boolean => packet.startsWith(`43${NS},`) && !packet.startsWith(`43${NS},99[`);

function afterLastAnswer(packets: readonly string[]): number {
  return packets.slice(packets.findLastIndex(isAnswer)).filter(isMessage).length;
}

/** Of a join, or of that room in a resume. */
function pageOf(packet: string, room: string): Answer {
  const [answer]: [Answer & { rooms?: Record<string, Answer> }] = JSON.parse(packet.slice(packet.indexOf('[')));
  assert.equal(answer.error, 0, packet);
  const page = answer.rooms?.[room] ?? answer;
  assert.ok(page.messages, packet);
  return page;
}

/** By the order in which all of it came over the connection. */
function judge(packets: readonly string[], room: string, cursor: number, pages: number): Joined {
  const gaps: string[] = [];
  const doubles: string[] = [];
  const seen = new Map<number, LoggedMessage>();
  let at = cursor;
  let lastLive: number | undefined;
  let answers = 0;
  let meanwhile = 0;
  const keep = (it: LoggedMessage): void => {
    const known = seen.get(it.seq);
    if (known && known.id !== it.id) doubles.push(`${it.seq} came as ${known.id} and as ${it.id}`);
    seen.set(it.seq, it);
  };
  const follow = (it: LoggedMessage, before: number, where: string): void => {
    if (it.seq > before + 1) gaps.push(`${where}: ${it.seq} after ${before}`);
    if (it.seq <= before) doubles.push(`${where}: ${it.seq} after ${before}`);
    keep(it);
  };
  for (const packet of packets) {
    if (isAnswer(packet)) {
      answers += 1;
      const page = pageOf(packet, room);
      for (const it of page.messages) {
        follow(it, at, 'answer');
        at = it.seq;
      }
      // A cursor may be ahead of what this worker has heard.
      if (!page.hasMore && at < page.headSeq) gaps.push(`the answer ends with ${at} and not ${page.headSeq}`);
      // From here the next live message is the one behind the head.
      if (answers === pages) lastLive = page.headSeq;
    } else if (isMessage(packet)) {
      const [, it]: [string, LoggedMessage] = JSON.parse(packet.slice(packet.indexOf('[')));
      if (answers < pages) meanwhile += 1;
      if (lastLive === undefined) keep(it);
      else follow(it, lastLive, 'live');
      lastLive = it.seq;
    }
  }
  return { gaps, doubles, seen, pages, meanwhile };
}
