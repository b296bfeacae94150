import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import type { Presence } from '../../src/chat/ports/presence.ts';
import { eventually } from '../support/eventually.ts';
import { forSeeds } from '../support/random.ts';

export interface OpenPresence {
  /** Nodes of one chat. */
  readonly nodes: readonly Presence[];
  /** The node's process dies. */
  killNode(index: number): void | Promise<void>;
  close(): void | Promise<void>;
}

/** Users of a dead node are gone within this. */
const GONE_MS = 15_000;

/** What every driver of presence does with three nodes. */
export function presenceContract(driver: string, open: (nodes: number) => Promise<OpenPresence>): void {
  describe(`Presence: ${driver}`, () => {
    let opened: OpenPresence;
    let nodes: readonly [Presence, Presence, Presence];
    let gone: [string[], string[], string[]];

    beforeEach(async () => {
      opened = await open(3);
      const [a, b, c] = opened.nodes;
      assert.ok(a && b && c);
      nodes = [a, b, c];
      gone = [[], [], []];
      for (const [at, node] of nodes.entries()) node.onGone((users) => void gone[at]?.push(...users));
    });
    afterEach(() => opened.close());

    const onlineOn = async (at: 0 | 1 | 2, users: string[]): Promise<string[]> =>
      [...(await nodes[at].online(users)).users].sort();

    it('says whether a user came or went everywhere', async () => {
      const [a, b] = nodes;
      assert.equal(await a.enter('ana'), true);
      assert.equal(await b.enter('ana'), false);
      assert.equal(await a.enter('ana'), false, 'known on this node already');
      assert.equal(await a.exit('ana'), false, 'still on the other node');
      assert.equal(await a.exit('ana'), false, 'gone from this node already');
      assert.equal(await b.exit('ana'), true);
      assert.equal(await b.exit('ana'), false);
      assert.equal(await b.enter('ana'), true);
      assert.equal(await nodes[2].exit('nobody'), false);
    });

    it('shows on every node who of those asked for is online', async () => {
      await nodes[0].enter('ana');
      await nodes[1].enter('ben');
      await nodes[1].enter('ana');
      for (const at of [0, 1, 2] as const) {
        assert.deepEqual(await onlineOn(at, ['ana', 'ben', 'eve']), ['ana', 'ben']);
        assert.deepEqual(await onlineOn(at, ['eve']), []);
        assert.deepEqual(await onlineOn(at, []), []);
        assert.equal((await nodes[at].online(['ana'])).stale, false);
      }
      await nodes[0].exit('ana');
      assert.deepEqual(await onlineOn(2, ['ana']), ['ana']);
      await nodes[1].exit('ana');
      assert.deepEqual(await onlineOn(2, ['ana', 'ben']), ['ben']);
      assert.deepEqual(gone, [[], [], []], 'leaving is not dying');
    });

    it('takes any text as a user', async () => {
      const users = [
        '',
        '*',
        '__proto__',
        'constructor',
        'a:b',
        '{x}',
        'größe 💬',
        'with space',
        '\n',
        'x'.repeat(500),
      ];
      for (const user of users) assert.equal(await nodes[0].enter(user), true, user);
      assert.deepEqual(await onlineOn(1, users), [...users].sort());
      for (const user of users) assert.equal(await nodes[0].exit(user), true, user);
      assert.deepEqual(await onlineOn(1, users), []);
    });

    it('answers for thousands of users at once', async () => {
      const users = Array.from({ length: 3000 }, (_, n) => `user ${n}`);
      await Promise.all(users.map((user, n) => (n % 2 === 0 ? nodes[n % 3 === 0 ? 0 : 1].enter(user) : undefined)));
      const online = async () => (await nodes[2].online(users)).users;
      await eventually('all of them are online', async () => (await online()).size === 1500);
      const found = await online();
      assert.ok(found.has('user 0') && !found.has('user 1'));
    });

    it('lets one of several nodes be the first and one the last, when they come and go at once', async () => {
      for (let round = 0; round < 20; round += 1) {
        const first = await Promise.all(nodes.map((it) => it.enter(`user ${round}`)));
        assert.equal(first.filter(Boolean).length, 1);
        const last = await Promise.all(nodes.map((it) => it.exit(`user ${round}`)));
        assert.equal(last.filter(Boolean).length, 1);
      }
    });

    it('counts right whatever comes and goes', () =>
      forSeeds(5, async (random) => {
        const on = [new Set<string>(), new Set<string>(), new Set<string>()];
        for (let step = 0; step < 60; step += 1) {
          const user = `${random.seed} ${random.int(4)}`;
          const at = random.int(3) as 0 | 1 | 2;
          const before = on.filter((it) => it.has(user)).length;
          if (random.chance(0.5)) {
            assert.equal(await nodes[at].enter(user), before === 0);
            on[at]?.add(user);
          } else {
            const was = on[at]?.delete(user);
            assert.equal(await nodes[at].exit(user), was === true && before === 1);
          }
          const is = on.some((it) => it.has(user));
          assert.deepEqual(await onlineOn(random.pick([0, 1, 2]), [user]), is ? [user] : []);
        }
      }));

    describe('when a node dies', () => {
      it('its users are gone, except who is on another node too', async () => {
        for (const user of ['ana', 'ben', 'eve']) await nodes[2].enter(user);
        await nodes[0].enter('ben');
        await nodes[1].enter('tom');
        await opened.killNode(2);
        for (const at of [0, 1] as const) {
          await eventually('the users are gone', () => gone[at].length >= 2, GONE_MS);
          assert.deepEqual([...gone[at]].sort(), ['ana', 'eve']);
          assert.deepEqual(await onlineOn(at, ['ana', 'ben', 'eve', 'tom']), ['ben', 'tom']);
        }
        assert.deepEqual(gone[2], []);
        assert.equal(await nodes[1].enter('ana'), true, 'who comes back was offline');
        assert.equal(await nodes[0].exit('ben'), true);
      }, 20_000);

      it('nothing stays of what it said last, and its calls end', async () => {
        const last = Promise.allSettled([
          nodes[2].enter('ana'),
          nodes[2].exit('ana'),
          nodes[2].enter('ana'),
          nodes[2].online(['ana']),
        ]);
        await opened.killNode(2);
        await last;
        await assert.rejects(nodes[2].enter('eve'));
        // Its last words may still arrive after the first look: they count until its lease is over, and no longer.
        const isFirst = async () => {
          if (await nodes[0].enter('ana')) return true;
          await nodes[0].exit('ana');
          return false;
        };
        await eventually('who comes is the first there', isFirst, GONE_MS);
        assert.deepEqual(await onlineOn(0, ['ana', 'eve']), ['ana']);
      }, 20_000);

      it('nobody is gone who was not there', async () => {
        await nodes[2].enter('ana');
        await nodes[2].exit('ana');
        await nodes[0].enter('ben');
        await opened.killNode(2);
        await nodes[1].enter('tom');
        await opened.killNode(1);
        await eventually('the users are gone', () => gone[0].length > 0, GONE_MS);
        assert.deepEqual(gone[0], ['tom']);
        assert.deepEqual(await onlineOn(0, ['ana', 'ben', 'tom']), ['ben']);
      }, 20_000);
    });
  });
}
