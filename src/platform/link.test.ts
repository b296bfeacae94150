import { strict as assert } from 'node:assert';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StallableChannel, testLinkOptions } from '../../test/support/cluster-links.ts';
import { eventually } from '../../test/support/eventually.ts';
import { settle } from '../../test/support/fake-clock.ts';
import { ChatError } from '../chat/errors.ts';
import { processChannel } from '../start/process-channel.ts';
import { type Channel, channelPair, Link } from './link.ts';

const AWAY = { code: 'try_again' };
/** Overdue calls are looked for this often. */
const SWEEP_MS = 250;
const STUCK_BATCHES = 64;

describe('Link', () => {
  let here: Link;
  let there: Link;
  let out: StallableChannel;
  let batches: unknown[];

  beforeEach(() => {
    const [a, b] = channelPair();
    out = new StallableChannel(a);
    batches = [];
    const watched: Channel = {
      send: (message, sent) => {
        batches.push(message);
        out.send(message, sent);
      },
      onMessage: (listener) => out.onMessage(listener),
      onClose: (listener) => out.onClose(listener),
    };
    here = new Link(watched, testLinkOptions);
    there = new Link(b, testLinkOptions);
    there.handle('echo', (payload: unknown) => payload);
  });
  afterEach(() => {
    here.close();
    there.close();
  });

  it('answers calls, each with its own answer', async () => {
    there.handle('double', async (n: number) => {
      await settle(10 - n);
      return n * 2;
    });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => here.call('double', n)));
    assert.deepEqual(
      answers,
      Array.from({ length: 10 }, (_, n) => n * 2),
    );
  });

  it('takes bytes, sets, maps and undefined as they are', async () => {
    const payload = {
      bytes: new Uint8Array([0, 255]),
      set: new Set(['a']),
      map: new Map([[1, undefined]]),
      none: undefined,
    };
    expect(await here.call('echo', payload)).toEqual(payload);
    expect(await here.call('echo', undefined)).toBe(undefined);
  });

  it('calls both ways at once', async () => {
    here.handle('name', () => 'here');
    there.handle('whose', async () => `asked by ${await there.call<string>('name', null)}`);
    assert.equal(await here.call('whose', null), 'asked by here');
  });

  it('says everything of one turn in one message, in the order it was said', async () => {
    const order: unknown[] = [];
    there.on('note', (it: unknown) => void order.push(it));
    there.handle('count', (it: number) => order.push(it));
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 20; n += 1) {
      if (n % 3 === 0) calls.push(here.call('count', n));
      else here.tell('note', n);
    }
    await Promise.all(calls);
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, n) => n),
    );
    assert.equal(batches.length, 1);
    here.tell('note', 20);
    await settle();
    assert.equal(batches.length, 2);
    assert.equal(order.at(-1), 20);
  });

  it('brings an error of the chat back as what it was, and any other as its text', async () => {
    there.handle('refuse', () => {
      throw new ChatError('invalid_operation', 'no', { status: 412, retryAfterMs: 7, data: { fields: ['x'] } });
    });
    there.handle('break', async () => Promise.reject(new TypeError('broken')));
    there.handle('odd', () => {
      throw 'a text';
    });
    await assert.rejects(here.call('refuse', null), (it) => {
      assert.ok(it instanceof ChatError);
      assert.deepEqual([it.code, it.message, it.status, it.retryAfterMs], ['invalid_operation', 'no', 412, 7]);
      expect(it.data).toEqual({ fields: ['x'] });
      return true;
    });
    await assert.rejects(here.call('break', null), /^Error: broken$/);
    await assert.rejects(here.call('odd', null), /^Error: a text$/);
  });

  it('says that nobody answers a method, and ignores what nobody listens to', async () => {
    await assert.rejects(here.call('unknown', null), /unknown/);
    here.tell('unknown', null);
    assert.equal(await here.call('echo', 1), 1);
  });

  it('rejects a call that is not answered in time, ignores the late answer, and goes on', async () => {
    let answer = (_: unknown): void => {};
    there.handle('late', () => new Promise((resolve) => (answer = resolve)));
    const startedAt = performance.now();
    await assert.rejects(here.call('late', null, 100), AWAY);
    const ms = performance.now() - startedAt;
    assert.ok(ms >= 100 && ms < 100 + 4 * SWEEP_MS, `${ms} ms`);
    answer('too late');
    await settle();
    assert.equal(await here.call('echo', 2), 2);
  });

  it('ignores what is no message of a link', async () => {
    const [a, b] = channelPair();
    const link = new Link(b, testLinkOptions);
    link.handle('echo', (it: unknown) => it);
    for (const odd of [null, 'text', 1, [], {}, { items: [] }, { parley: 1 }]) a.send(odd, () => {});
    const peer = new Link(a, testLinkOptions);
    assert.equal(await peer.call('echo', 1), 1);
    link.close();
    peer.close();
  });

  describe('when it is closed', () => {
    it('rejects what is under way and whatever comes later, and says nothing more', async () => {
      there.handle('never', () => new Promise(() => {}));
      const calls = [here.call('never', null), here.call('echo', null)];
      here.close();
      here.close();
      for (const call of calls) await assert.rejects(call, AWAY);
      await assert.rejects(here.call('echo', null), AWAY);
      here.tell('note', null);
      await settle();
      assert.deepEqual(batches, []);
      assert.equal(here.closed, true);
    });

    it('acts on nothing that arrives late', async () => {
      let ran = 0;
      there.handle('count', () => (ran += 1));
      there.on('note', () => (ran += 1));
      here.call('count', null).catch(() => {});
      here.tell('note', null);
      there.close();
      await settle();
      assert.equal(ran, 0);
    });

    it('does not answer what ends afterwards', async () => {
      let answer = (_: unknown): void => {};
      here.handle('slow', () => new Promise((resolve) => (answer = resolve)));
      there.call('slow', null).catch(() => {});
      await settle();
      here.close();
      answer(1);
      await settle();
      assert.deepEqual(batches, []);
    });

    it('closes with its channel', async () => {
      let close = (): void => {};
      const link = new Link(
        {
          send: () => {},
          onMessage: () => {},
          onClose: (listener) => {
            close = listener;
          },
        },
        testLinkOptions,
      );
      const call = link.call('echo', null);
      close();
      await assert.rejects(call, AWAY);
    });
  });

  describe('while the other end reads nothing', () => {
    const tellInTurns = async (turns: number): Promise<void> => {
      for (let turn = 0; turn < turns; turn += 1) {
        here.tell('note', turn);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };

    it('drops what is told, and says so once it reads again', async () => {
      const heard: unknown[] = [];
      let recovered = 0;
      there.on('note', (it: unknown) => void heard.push(it));
      here.onRecovered(() => {
        recovered += 1;
      });
      await tellInTurns(10);
      await settle();
      assert.equal(recovered, 0);
      out.stall();
      await tellInTurns(500);
      assert.equal(batches.length, 10 + STUCK_BATCHES);
      out.goOn();
      await eventually('it has recovered', () => recovered === 1);
      assert.deepEqual(
        heard.slice(10),
        Array.from({ length: STUCK_BATCHES }, (_, n) => n),
      );
      await tellInTurns(5);
      await settle();
      assert.equal(heard.length, 10 + STUCK_BATCHES + 5);
      assert.equal(recovered, 1);
    });

    it('holds calls back, so that memory is bounded, and does not make those that nobody waits for any more', async () => {
      const ran: unknown[] = [];
      there.handle('count', (it: unknown) => void ran.push(it));
      out.stall();
      await tellInTurns(STUCK_BATCHES);
      const overdue = Array.from({ length: 50 }, (_, n) => here.call('count', n, 100));
      const patient = here.call('count', 'patient');
      await settle();
      assert.equal(batches.length, STUCK_BATCHES);
      for (const call of overdue) await assert.rejects(call, AWAY);
      out.goOn();
      await patient;
      assert.deepEqual(ran, ['patient']);
      assert.equal(batches.length, STUCK_BATCHES + 1);
    });

    it('still hears and answers the other end', async () => {
      here.handle('echo', (it: unknown) => it);
      out.stall();
      await tellInTurns(STUCK_BATCHES + 5);
      const call = there.call('echo', 1);
      await settle();
      out.goOn();
      assert.equal(await call, 1);
    });
  });
});

describe('Link between processes', () => {
  const loader = fileURLToPath(new URL('../../test/support/typescript-loader.js', import.meta.url));
  const program = fileURLToPath(new URL('../../test/support/link-child.ts', import.meta.url));
  let child: ChildProcess;
  let link: Link;
  let exited: Promise<unknown>;

  beforeEach(async () => {
    child = fork(program, [], { execArgv: ['--import', loader], serialization: 'advanced' });
    exited = once(child, 'exit');
    link = new Link(processChannel(child), { ...testLinkOptions, deadlineMs: 2000 });
    link.handle('echo', (payload: unknown) => payload);
    let ready = false;
    link.on('ready', () => {
      ready = true;
    });
    await eventually('the child is ready', () => ready, 20_000);
  }, 25_000);
  afterEach(async () => {
    link.close();
    child.kill('SIGKILL');
    await exited;
  });

  it('calls, tells and answers both ways', async () => {
    const bytes = new Uint8Array(600_000).fill(7);
    const calls = Array.from({ length: 200 }, (_, n) => link.call<number>('echo', n));
    for (let n = 0; n < 100; n += 1) link.tell('note', n);
    const back = await link.call<Uint8Array>('echo', bytes);
    assert.equal(Buffer.compare(back, bytes), 0);
    assert.deepEqual(
      await Promise.all(calls),
      Array.from({ length: 200 }, (_, n) => n),
    );
    expect(await link.call('told', null)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    assert.equal(await link.call('ask back', 'x'), 'x');
    await assert.rejects(link.call('refuse', null), (it) => {
      assert.ok(it instanceof ChatError);
      assert.deepEqual([it.code, it.retryAfterMs], ['slow_mode', 1234]);
      expect(it.data).toEqual({ why: 'slow' });
      return true;
    });
    await assert.rejects(link.call('unknown', null), /unknown/);
  });

  it('rejects at once what is under way when the other end is killed, and survives whatever is said after', async () => {
    const calls = [link.call('never', null), link.call('never', null), link.call('echo', new Uint8Array(5_000_000))];
    await settle(2);
    const startedAt = performance.now();
    child.kill('SIGKILL');
    for (let n = 0; n < 50; n += 1) {
      link.tell('note', n);
      calls.push(link.call('echo', n));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const results = await Promise.allSettled(calls);
    assert.ok(performance.now() - startedAt < 1500, 'before any deadline');
    for (const it of results.slice(0, 2)) assert.equal(it.status, 'rejected');
    await exited;
    await assert.rejects(link.call('echo', 1), AWAY);
    link.tell('note', 'to nobody');
    await settle();
    assert.equal(link.closed, true);
  });

  it('rejects by its deadline while the other end is frozen, and goes on when it wakes up', async () => {
    child.kill('SIGSTOP');
    try {
      await assert.rejects(link.call('echo', 1, 300), AWAY);
      for (let turn = 0; turn < 300; turn += 1) {
        link.tell('note', new Uint8Array(20_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      child.kill('SIGCONT');
    }
    let recovered = false;
    link.onRecovered(() => {
      recovered = true;
    });
    await eventually('it listens again', () => recovered);
    assert.equal(await link.call('echo', 2), 2);
    const told = await link.call<unknown[]>('told', null);
    assert.ok(told.length > 0 && told.length < 300, `${told.length} of 300 were kept`);
  });
});
