import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { quantilesOf } from '../../src/verify/quantiles.ts';
import { randomNumbers } from '../../src/verify/random-numbers.ts';
import { comeBack, comeInOrderly } from '../support/come-back.ts';
import { databaseAt, type Engine, startMongodb, startRabbitmq, startRedis } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { readMetrics, sumOf } from '../support/metrics.ts';
import { RawClient } from '../support/raw-client.ts';
import { createGuest, createRoom, readHistory } from '../support/rest.ts';
import { runParley } from '../support/run-parley.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';
import { compareAnswers } from './harness/command-chat.ts';
import { CommandLoad } from './harness/command-load.ts';
import { MemberChurn } from './harness/member-churn.ts';
import { LONG } from './harness/patience.ts';
import { ProcessSamples } from './harness/process-samples.ts';
import { type FaultFigures, recordFigures } from './harness/record-figures.ts';
import {
  becomesWell,
  engineFaults,
  type Killed,
  playFaults,
  type SoakFault,
  workerFaults,
} from './harness/soak-faults.ts';

const MINUTE_MS = 60_000;
const SOAK_MINUTES = Number(process.env.SOAK_MINUTES ?? (LONG ? 30 : 0));
const SEED = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 1e9));
/** Shorter ones only look at the log. */
const IS_MEASURED = SOAK_MINUTES >= 20;
const WARM_UP_MS = IS_MEASURED ? 5 * MINUTE_MS : MINUTE_MS / 2;
const LEAST_MS = IS_MEASURED ? 5 * MINUTE_MS : MINUTE_MS / 2;
/** `spare`: of a few dozen timers or files, one request more is more than a twentieth. */
const LIMIT = { mibPerMinute: 1, share: 0.05, spare: 3, loopDelayMs: 50 };
const LOOK_MS = 5000;
const ANSWERS_MS = 60_000;
/** Those of the embedded parts and of the engines, one of which takes some 20 ms for a write, one after the other. */
const LOADS = {
  embedded: { rate: 50, churn: 10, commands: 2 },
  production: { rate: 10, churn: 2, commands: 1 },
} as const;

interface SetUp {
  readonly server: SpawnedServer;
  /** Not of workers. */
  readonly faults: (random: () => number) => readonly SoakFault[];
  /** In the short form, where there is no time for all. */
  readonly shortFaults: RegExp;
  readonly ms: number;
}

describe(`R19: a soak of ${SOAK_MINUTES === 0 ? 'seconds' : `${SOAK_MINUTES} minutes`} with faults of all kinds (FAULTS_SEED=${SEED})`, () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = new TestBed();
  });
  afterEach(() => bed.close(), 120_000);

  const kinds = [
    ['embedded', embedded],
    ['production', production],
  ] as const;
  const chosen = kinds.filter(([over]) => (process.env.SOAK_OVER ?? over) === over);
  it.each(chosen)(
    '%s: nothing is lost, no worker dies unasked, nothing grows',
    async (over, open) => soak(over, await open()),
    SOAK_MINUTES * MINUTE_MS + 5 * MINUTE_MS,
  );

  async function embedded(): Promise<SetUp> {
    const server = await bed.server({ INSTANCES: '3', LOG: 'warn', BOT_REPLY_TIMEOUT_MS: '60000' });
    return { server, faults: () => [], shortFaults: /worker|SIGHUP/, ms: 10_000 };
  }

  async function production(): Promise<SetUp> {
    const own = async (start: () => Promise<Engine>): Promise<Engine> => bed.own(await start(), (it) => it.stop());
    const [redis, mongodb, rabbitmq] = await Promise.all([own(startRedis), own(startMongodb), own(startRabbitmq)]);
    const env = { AMQP_URL: rabbitmq.url, LOG: 'warn', BOT_REPLY_TIMEOUT_MS: '60000' };
    const bots = await bed.start(env, ['--bots']);
    await eventually('the bots consume', () => /^Parley bots consume /m.test(bots.output), 30_000);
    const server = await bed.server({
      ...env,
      INSTANCES: '2',
      REDIS_URL: redis.url,
      MONGODB_URI: databaseAt(mongodb.url, 'soak'),
    });
    return {
      server,
      faults: (random) => [
        ...engineFaults(server, random, redis, 'bus'),
        ...engineFaults(server, random, mongodb, 'store'),
        ...engineFaults(server, random, rabbitmq, 'broker'),
      ],
      // A broker takes 5 s to start, and 15 s pass until it is seen that it hangs.
      shortFaults: /worker|bus|SIGSTOP of the store/,
      ms: 12_000,
    };
  }

  async function soak(over: 'embedded' | 'production', { server, faults, shortFaults, ms }: SetUp): Promise<void> {
    const { url } = server;
    const load = LOADS[over];
    const random = randomNumbers(SEED);
    const killed: Killed = new Set();
    await server.workers();
    const samples = bed.own(new ProcessSamples(() => server.workerPids()), (it) => it.close());
    const churn = bed.own(await MemberChurn.start(url, load.churn), (it) => it.close());
    const { commands, room, token } = await startCommands(url);
    commands.start(load.commands);

    const startedAt = performance.now();
    const totalMs = SOAK_MINUTES * MINUTE_MS || ms;
    const args = [
      ...['--clients', '9', '--rooms', '3', '--rate', load.rate, '--drops', '20'],
      ...['--seconds', Math.round(totalMs / 1000), '--seed', SEED],
    ];
    const verified = runParley(['verify', url, ...args.map(String)], {});
    verified.catch(() => {}); // told below

    // All kinds; then no worker is killed any more, so that there are some to look at for a while; then none.
    const ofEngines = faults(random);
    const all = [...workerFaults(server, random, killed), ...ofEngines];
    const isShort = SOAK_MINUTES === 0;
    const wild = isShort ? all.filter((it) => shortFaults.test(it.name)) : all;
    const pauseMs = isShort ? 500 : 5000;
    const wildUntil = startedAt + (isShort ? totalMs : totalMs / 3);
    const enginesUntil = isShort || ofEngines.length === 0 ? wildUntil : startedAt + (2 * totalMs) / 3;
    const played = await playFaults(wild, random, pauseMs, wildUntil);
    const workersFrom = performance.now();
    for (const [name, count] of await playFaults(ofEngines, random, pauseMs, enginesUntil)) {
      played.set(name, (played.get(name) ?? 0) + count);
    }
    const calmFrom = performance.now();
    const lagMs: number[] = [];
    const timers: number[] = [];
    for (const until = startedAt + totalMs; performance.now() < until; await sleep(LOOK_MS)) {
      const metrics = await readMetrics(url);
      lagMs.push(sumOf(metrics, 'nodejs_eventloop_lag_p99_seconds') * 1000);
      timers.push(metrics.get('nodejs_active_resources{type="Timeout"}') ?? 0);
    }
    const calmTo = performance.now();
    samples.close();

    const { code, stdout } = await verified;
    await commands.stop();
    const answered = async () => (await readHistory(url, token, room)).length >= commands.accepted.size;
    await eventually('all commands are answered', answered, ANSWERS_MS).catch(() => {}); // the comparison tells which are not
    const answers = compareAnswers(commands, await readHistory(url, token, room));
    const members = await churn.stop();
    await becomesWell(server);
    const deaths = sumOf(await readMetrics(url), 'parley_worker_deaths_total');
    const errors = server.output
      .split('\n')
      .filter((it) => /^\S+ error /.test(it) && !it.includes('a worker died and is replaced'));

    const slopes = samples.slopes(workersFrom, WARM_UP_MS, LEAST_MS);
    const peaks = samples.peaks();
    const worstSlope = Math.max(...slopes);
    const warmAt = Math.min(calmFrom + WARM_UP_MS, calmTo);
    const files = [samples.filesBetween(warmAt - MINUTE_MS, warmAt), samples.filesBetween(calmTo - MINUTE_MS, calmTo)];
    const lag = quantilesOf(lagMs.slice(1)); // the first is of the time before
    const looks = MINUTE_MS / LOOK_MS;
    const timed = [timers.slice(0, looks), timers.slice(-looks)].map((it) => quantilesOf(it).p50);
    const isSteady = ([before = 0, after = 0]: readonly number[]) =>
      Math.abs(after - before) <= Math.max(LIMIT.share * before, LIMIT.spare);
    const inEach = slopes.map((it) => it.toFixed(2)).join(', ');
    const measured = (limit: string): { limit?: string } => (IS_MEASURED ? { limit } : {});
    const rows: FaultFigures['figures'] = [
      ...stdout
        .trim()
        .split('\n')
        .map((line) => {
          const [what = '', ...told] = line.split(/ {2,}/);
          return { what: `verify: ${what}`, value: told.join(', ') };
        }),
      {
        what: 'commands answered',
        value: `${answers.lost.length} of ${commands.accepted.size} not, ${answers.doubled.length} twice`,
        limit: '0, 0',
      },
      { what: 'joins and leaves', value: JSON.stringify(churn.counts) },
      { what: 'lists of members that are wrong', value: `${members.length}`, limit: '0' },
      { what: 'workers that died unasked', value: `${deaths - killed.size}`, limit: '0' },
      { what: 'errors in the log', value: `${errors.length}`, limit: '0' },
      { what: `memory of a worker at most, of ${peaks.length}`, value: `${Math.max(...peaks).toFixed(0)} MiB` },
      {
        what: `its growth after ${WARM_UP_MS / MINUTE_MS} min`,
        value: `${inEach} MiB/min`,
        ...measured(`<= ${LIMIT.mibPerMinute}`),
      },
      { what: 'open files of the workers', value: files.join(' -> '), ...measured(`+-${LIMIT.share * 100} %`) },
      { what: 'timers of the workers', value: timed.join(' -> '), ...measured(`+-${LIMIT.share * 100} %`) },
      {
        what: 'loop delay p99 of 5 s without faults',
        value: `p50 ${lag.p50}, max ${lag.max} ms`,
        ...measured(`p50 <= ${LIMIT.loopDelayMs} ms`),
      },
    ];
    recordFigures({
      run: 'R19',
      over,
      fault: `${Math.round(totalMs / 1000)} s of faults at random, ${load.rate} messages, ${load.churn} joins and leaves, ${load.commands} commands a second`,
      bite: [...played].map(([name, count]) => `${count} × ${name}`).join(', '),
      figures: rows,
    });
    assert.equal(code, 0, stdout);
    assert.ok([...played.values()].reduce((sum, it) => sum + it, 0) >= 2, 'there were no faults');
    assert.deepEqual(answers, { lost: [], doubled: [], strange: [] });
    assert.deepEqual([commands.refusals, members, errors], [[], [], []]);
    assert.equal(deaths, killed.size);
    if (!IS_MEASURED) return;
    assert.ok(
      slopes.length === server.instances && worstSlope <= LIMIT.mibPerMinute,
      `memory grows by ${inEach} MiB/min`,
    );
    assert.ok(isSteady(files), `open files went from ${files.join(' to ')}`);
    assert.ok(isSteady(timed), `timers went from ${timed.join(' to ')}`);
    assert.ok(lag.p50 <= LIMIT.loopDelayMs, `the loop delay was ${lag.p50} ms`);
  }

  /** Commands of somebody who comes back whenever the connection is cut. */
  async function startCommands(url: string): Promise<{ commands: CommandLoad; room: string; token: string }> {
    const { token } = await createGuest(url, 'Commands');
    const room = await createRoom(url, token, 'Commands');
    const follower = bed.own(new RawClient(url, token, 'Commands', [room]), (it) => it.close());
    follower.onCut = () => void comeBack(follower).catch(() => {});
    await comeInOrderly([follower]);
    return { commands: bed.own(new CommandLoad({ url, token, room, follower }), (it) => it.close()), room, token };
  }
});
