import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { CLIENT_EVENTS, type ClientEvent } from '../../src/wire/socket.ts';
import { openTestRealtime, type TestRealtime } from '../support/test-realtime.ts';
import { FAULTS, type Fault, FaultPoints } from './harness/fault-points.ts';
import { COMMANDS, openScene, PARTS, type Part } from './harness/fault-scene.ts';
import { recordFigures } from './harness/record-figures.ts';

const EVENTS = Object.keys(CLIENT_EVENTS) as ClientEvent[];

/** What an event, or connecting, does for one of the parts when nothing goes wrong. */
interface Row {
  readonly event: ClientEvent | 'connect';
  readonly part: Part;
  readonly calls: readonly string[];
}

/** With these the thing is done: what goes wrong afterwards may be mended without the caller. */
const DONE = ['store.putCommand', 'store.removeMember', 'presence.enter'];
/** Who cannot follow a room that he has joined is cut, so that he comes back and reads anew. */
const MAY_CUT = ['bus.subscribe', 'store.heads'];
const ANSWER_MS = 5000;
/** All faults of a kind are met at once, by a process that has the clients in it, too. */
const CROWD_MS = 500;

describe('R20: a fault in a handler of sockets', () => {
  const points = new FaultPoints();
  const rows: Row[] = [];
  /** By fault: how long the slowest answer took, of how many. */
  const told = new Map<Fault, { slowestMs: number; count: number }>();
  let chat: TestRealtime;

  beforeAll(async () => {
    chat = await openTestRealtime({ ...points.options, commands: COMMANDS });
    points.wrapOthers(chat);
    for (const event of ['connect', ...EVENTS] as const) {
      const known = new Map<string, Row>();
      for (const part of PARTS) {
        const { calls, code } = await ask(event, part);
        if (code === 'ok') known.set(calls.join(), { event, part, calls });
      }
      assert.ok(known.size > 0, `${event} cannot be asked for what the table shows`);
      rows.push(...known.values());
    }
    assert.ok(rows.flatMap((it) => it.calls).length > 40);
  }, 60_000);
  afterAll(async () => {
    await chat.close();
    recordFigures({
      run: 'R20-sockets',
      over: 'embedded',
      fault: 'each call of a port that each handler makes throws, rejects, never answers',
      bite: 'each of these calls was made',
      figures: [...told].map(([what, { slowestMs, count }]) => ({
        what,
        value: `${count} events, the slowest answered after ${Math.round(slowestMs)} ms`,
        limit: `<= ${ANSWER_MS} ms`,
      })),
    });
  });

  it.each(FAULTS)(
    'is acked with an error within 5 s, wherever something %s, and nobody else is hurt',
    async (fault) => {
      const wrong: string[] = [];
      const tally = { slowestMs: 0, count: 0 };
      told.set(fault, tally);
      const meet = async ({ event, part, calls }: Row, at: number): Promise<void> => {
        const met = await ask(event, part, at, fault);
        tally.count += 1;
        tally.slowestMs = Math.max(tally.slowestMs, met.ms);
        const call = calls[at] ?? '';
        const isError = met.code === (fault === 'never answers' ? 'try_again' : 'internal');
        const isDone = met.code === 'ok' && calls.slice(0, at + 1).some((it) => DONE.includes(it));
        const isCut = met.code === 'cut' && MAY_CUT.includes(call);
        if ((isError || isDone || isCut) && met.calls[at] === call && met.ms <= ANSWER_MS + CROWD_MS) return;
        wrong.push(`${event}, ${call} at ${at}: ${met.code} after ${Math.round(met.ms)} ms`);
      };
      await Promise.all(rows.flatMap((row) => row.calls.map((_, at) => meet(row, at))));
      assert.deepEqual(wrong, []);
      for (const { event, part } of rows) assert.equal((await ask(event, part)).code, 'ok', event);
      await chat.assertReleased();
    },
    60_000,
  );

  /** Resolves with how it ended: `ok`, an error's code, or `cut`. */
  async function ask(event: Row['event'], part: Part, at?: number, fault?: Fault) {
    const { caller, marks, fill } = await openScene(chat.chat, part);
    const token = (): string => chat.addAccount(caller.user, caller);
    const watched = { marks, calls: [], ...(at === undefined || fault === undefined ? {} : { at, fault }) };
    const timed = async (run: () => Promise<string>) => {
      const startedAt = performance.now();
      const code = await points.watch(watched, run);
      return { code, calls: watched.calls as readonly string[], ms: performance.now() - startedAt };
    };
    if (event === 'connect') {
      const socket = chat.open(token());
      const ended = await timed(
        () =>
          new Promise((resolve) => {
            socket.on('authentication', () => resolve('ok'));
            socket.on('connect_error', (error: Error & { data?: { code: string } }) =>
              resolve(error.data?.code ?? error.message),
            );
            socket.on('disconnect', () => resolve('cut'));
            socket.connect();
          }),
      );
      socket.disconnect();
      return ended;
    }
    const client = await chat.connect(caller.user, { facts: caller });
    const { body } = fill('', CLIENT_EVENTS[event].payload);
    const payload = event === 'authenticate' ? { token: token() } : body;
    const ended = await timed(() =>
      client.ask(event, payload).then(
        ({ code }) => code ?? 'ok',
        () => 'cut',
      ),
    );
    client.socket.disconnect();
    return ended;
  }
});
