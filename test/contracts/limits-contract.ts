import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Limits } from '../../src/chat/ports/limits.ts';
import { eventually } from '../support/eventually.ts';
import { forSeeds } from '../support/random.ts';

export interface OpenLimits {
  /** Nodes of one chat. */
  readonly nodes: readonly Limits[];
  /** Lets that much time pass for the driver, exactly. */
  passMs(ms: number): void | Promise<void>;
  /** The node's process dies. */
  killNode(index: number): void | Promise<void>;
  close(): void | Promise<void>;
}

const RATE = { count: 3, windowMs: 10_000 };

/** What every driver of the limits does with three nodes. */
export function limitsContract(driver: string, open: (nodes: number) => Promise<OpenLimits>): void {
  describe(`Limits: ${driver}`, () => {
    let opened: OpenLimits;
    let nodes: readonly [Limits, Limits, Limits];

    beforeEach(async () => {
      opened = await open(3);
      const [a, b, c] = opened.nodes;
      assert.ok(a && b && c);
      nodes = [a, b, c];
    });
    afterEach(() => opened.close());

    it('counts for all nodes together and says when there is room again', async () => {
      for (const node of nodes) expect(await node.take('ana', RATE)).toEqual({ ok: true });
      for (const node of nodes) expect(await node.take('ana', RATE)).toEqual({ ok: false, retryAfterMs: 10_000 });
      await opened.passMs(9999);
      expect(await nodes[1].take('ana', RATE)).toEqual({ ok: false, retryAfterMs: 1 });
      await opened.passMs(1);
      for (const node of nodes) expect(await node.take('ana', RATE)).toEqual({ ok: true });
      assert.equal((await nodes[0].take('ana', RATE)).ok, false, 'what was refused did not count');
    });

    it('counts each key for itself, whatever its text', async () => {
      const keys = ['', '*', '__proto__', 'constructor', 'a:b', 'a', 'größe 💬', '\n', 'x'.repeat(500)];
      const once = { count: 1, windowMs: 60_000 };
      for (const key of keys) assert.equal((await nodes[0].take(key, once)).ok, true, key);
      for (const key of keys) assert.equal((await nodes[1].take(key, once)).ok, false, key);
    });

    it('lets everything through without a rate', async () => {
      for (let n = 0; n < 50; n += 1) expect(await nodes[0].take('ana', null)).toEqual({ ok: true });
      nodes[0].refund('ana', null);
      for (let n = 0; n < 3; n += 1) assert.equal((await nodes[0].take('ana', RATE)).ok, true);
      assert.equal((await nodes[0].take('ana', RATE)).ok, false);
    });

    it('gives one back, seen by every node', async () => {
      for (let n = 0; n < 3; n += 1) await nodes[0].take('ana', RATE);
      nodes[1].refund('ana', RATE);
      await eventually('one is free', async () => (await nodes[2].take('ana', RATE)).ok);
      assert.equal((await nodes[0].take('ana', RATE)).ok, false);
    });

    it('gives nothing back that was not taken', async () => {
      for (let n = 0; n < 5; n += 1) nodes[0].refund('ana', RATE);
      for (let n = 0; n < 3; n += 1) assert.equal((await nodes[0].take('ana', RATE)).ok, true);
      assert.equal((await nodes[0].take('ana', RATE)).ok, false);
    });

    it('lets exactly so many through when all come at once', async () => {
      const taken = await Promise.all(
        Array.from({ length: 90 }, (_, n) => nodes[(n % 3) as 0 | 1 | 2].take('ana', { count: 20, windowMs: 10_000 })),
      );
      assert.equal(taken.filter((it) => it.ok).length, 20);
    });

    it('lets no more than the count through in any window', () =>
      forSeeds(5, async (random) => {
        const rate = { count: 1 + random.int(4), windowMs: 100 + random.int(400) };
        const taken: number[] = [];
        let now = 0;
        for (let step = 0; step < 60; step += 1) {
          const ms = random.int(rate.windowMs);
          await opened.passMs(ms);
          now += ms;
          const inWindow = taken.filter((it) => it > now - rate.windowMs).length;
          const { ok } = await random.pick(nodes).take(`key ${random.seed}`, rate);
          assert.equal(ok, inWindow < rate.count);
          if (ok) taken.push(now);
        }
      }));

    it('forgets nothing that still counts, and goes on after a long time', async () => {
      const slow = { count: 1, windowMs: 3_600_000 };
      await nodes[0].take('slow', slow);
      for (let n = 0; n < 3; n += 1) {
        await opened.passMs(1_000_000);
        assert.equal((await nodes[1].take(`other ${n}`, RATE)).ok, true);
        assert.equal((await nodes[1].take('slow', slow)).ok, false);
      }
      await opened.passMs(600_000);
      assert.equal((await nodes[1].take('slow', slow)).ok, true);
    });

    it('keeps counting when the node dies that took', async () => {
      for (let n = 0; n < 3; n += 1) await nodes[2].take('ana', RATE);
      await opened.killNode(2);
      assert.equal((await nodes[0].take('ana', RATE)).ok, false);
      await assert.rejects(nodes[2].take('ana', RATE));
      nodes[2].refund('ana', RATE);
      assert.equal((await nodes[0].take('ana', RATE)).ok, false);
    });
  });
}
