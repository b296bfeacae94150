import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { createRoutes } from '../../src/http/create-api.ts';
import { type Way, waysOf } from '../../src/http/route-table.ts';
import { openTestApi, type TestApi } from '../support/test-api.ts';
import { FAULTS, type Fault, FaultPoints } from './harness/fault-points.ts';
import { COMMANDS, openScene, PARTS, type Part } from './harness/fault-scene.ts';
import { recordFigures } from './harness/record-figures.ts';

const describeOnly = (): never => {
  throw new Error('routes are only described here');
};
const described = { guests: { createGuest: describeOnly }, guestRate: null, readiness: describeOnly };
const WAYS = waysOf(
  Object.values(createRoutes({ ...described, renderMetrics: describeOnly, version: '0' }, describeOnly)).flat(),
);

/** What a way does for one of the parts, when nothing goes wrong. */
interface Row {
  readonly way: Way;
  readonly part: Part;
  readonly calls: readonly string[];
}

/** With these the thing is done: what goes wrong afterwards may be mended without the caller. */
const DONE = ['store.putCommand', 'store.removeMember'];
const ANSWER_MS = 5000;
/** All faults of a kind are met at once, by a process that has the clients in it, too. */
const CROWD_MS = 500;

describe('R20: a fault in a handler of REST', () => {
  const points = new FaultPoints();
  const rows: Row[] = [];
  /** By fault: how long the slowest answer took, of how many. */
  const told = new Map<Fault, { slowestMs: number; count: number }>();
  let api: TestApi;

  beforeAll(async () => {
    const parts = points.wrap('parts', {
      readiness: async (_way: string) => ({ ready: true, reasons: [], degraded: [], worker: '1', pid: 1 }),
      renderMetrics: async (_way: string) => ({ contentType: 'text/plain', body: 'up 1\n' }),
      createGuest: async (name: string) => {
        const account = { user: 'guest', type: 1 as const, name, roles: ['user'], expiresAt: 1 };
        return { ...account, token: api.addAccount('guest', account) };
      },
    });
    api = await openTestApi({
      ...points.options,
      commands: COMMANDS,
      api: {
        guests: { createGuest: (name) => parts.createGuest(name) },
        readiness: () => parts.readiness('/readyz'),
        renderMetrics: () => parts.renderMetrics('/metrics'),
      },
    });
    points.wrapOthers(api);
    for (const way of WAYS) {
      const known = new Map<string, Row>();
      for (const part of PARTS) {
        const { calls, answer } = await ask(way, part);
        if (answer.status < 400) known.set(calls.join(), { way, part, calls });
      }
      assert.ok(known.size > 0, `${way.method} ${way.path} cannot be asked for what the table shows`);
      rows.push(...known.values());
    }
    assert.ok(rows.flatMap((it) => it.calls).length > 100);
  }, 60_000);
  afterAll(async () => {
    await api.close();
    recordFigures({
      run: 'R20-rest',
      over: 'embedded',
      fault: 'each call of a port that each handler makes throws, rejects, never answers',
      bite: 'each of these calls was made',
      figures: [...told].map(([what, { slowestMs, count }]) => ({
        what,
        value: `${count} requests, the slowest answered after ${Math.round(slowestMs)} ms`,
        limit: `<= ${ANSWER_MS} ms`,
      })),
    });
  });

  it.each(FAULTS)(
    'is answered with an error within 5 s, wherever something %s, and nobody else is hurt',
    async (fault) => {
      const wrong: string[] = [];
      const tally = { slowestMs: 0, count: 0 };
      told.set(fault, tally);
      const meet = async ({ way, part, calls }: Row, at: number): Promise<void> => {
        const met = await ask(way, part, at, fault);
        const { status, json } = met.answer;
        tally.count += 1;
        tally.slowestMs = Math.max(tally.slowestMs, met.ms);
        const call = calls[at];
        const isError = status === (fault === 'never answers' ? 503 : 500);
        const isDone = status < 300 && calls.slice(0, at).some((it) => DONE.includes(it));
        if ((isError || isDone) && met.calls[at] === call && met.ms <= ANSWER_MS + CROWD_MS) return;
        wrong.push(
          `${way.method} ${way.path}, ${call} at ${at}: ${status} ${json.code} after ${Math.round(met.ms)} ms`,
        );
      };
      await Promise.all(rows.flatMap((row) => row.calls.map((_, at) => meet(row, at))));
      assert.deepEqual(wrong, []);
      for (const { way, part } of rows) assert.ok((await ask(way, part)).answer.status < 400, way.path);
    },
    60_000,
  );

  async function ask(way: Way, part: Part, at?: number, fault?: Fault) {
    const scene = await openScene(api.chat, part, way.path.endsWith('/image'));
    const { path, body } = scene.fill(way.path, way.route.body);
    const token = way.route.auth ? { token: api.addAccount(scene.caller.user, scene.caller) } : {};
    const headers = { 'x-forwarded-for': scene.address };
    const line = `${way.method.toUpperCase()} ${path}`;
    const watched = {
      marks: [...scene.marks, `"${way.path}"`],
      calls: [],
      ...(at === undefined || fault === undefined ? {} : { at, fault }),
    };
    const startedAt = performance.now();
    const answer = await points.watch(watched, () =>
      api.call(line, { ...token, headers, ...(body === undefined ? {} : { body }) }),
    );
    return { answer, calls: watched.calls as readonly string[], ms: performance.now() - startedAt };
  }
});
