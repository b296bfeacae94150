import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import type { Message, Room } from '../../src/chat/model.ts';
import type { Bus, NodeEvent, RoomEvent } from '../../src/chat/ports/bus.ts';
import { eventually } from '../support/eventually.ts';

export interface OpenBus {
  /** Nodes of one chat. */
  readonly nodes: readonly Bus[];
  /** The node's process dies. */
  killNode(index: number): void | Promise<void>;
  /** The node reads nothing until the returned function is called. */
  stallNode(index: number): () => void;
  close(): void | Promise<void>;
}

interface Heard {
  readonly room: [string, RoomEvent][];
  readonly node: NodeEvent[];
  suspicions: number;
}

const message = (seq: number, text = `text ${seq}`): RoomEvent & { kind: 'message' } => ({
  kind: 'message',
  message: {
    id: `m${seq}`,
    chatroom: 'room',
    seq,
    owner: 'ana',
    ownerName: 'Ana Μαρία',
    type: 1,
    message: text,
    createdAt: '2026-01-01T00:00:00.000Z',
    meta: { deep: [1, { two: null }] },
  } satisfies Message,
});

const room: Room = {
  id: 'room',
  name: 'Größe 💬',
  topic: '',
  visibility: 'private',
  owner: 'ana',
  slowModeMs: 0,
  count: 1,
  headSeq: 0,
  firstSeq: 1,
  epoch: 'e',
  rev: 0,
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
};

/** What every driver of the bus does with three nodes. */
export function busContract(driver: string, open: (nodes: number) => Promise<OpenBus>): void {
  describe(`Bus: ${driver}`, () => {
    let opened: OpenBus;
    let buses: readonly [Bus, Bus, Bus];
    let heard: [Heard, Heard, Heard];
    let fences = 0;

    beforeEach(async () => {
      opened = await open(3);
      const [a, b, c] = opened.nodes;
      assert.ok(a && b && c);
      buses = [a, b, c];
      const listenTo = (bus: Bus): Heard => {
        const own: Heard = { room: [], node: [], suspicions: 0 };
        bus.listen({
          onRoom: (id, event) => void own.room.push([id, event]),
          onNode: (event) => void own.node.push(event),
          onSuspect: () => {
            own.suspicions += 1;
          },
        });
        return own;
      };
      heard = [listenTo(a), listenTo(b), listenTo(c)];
    });
    afterEach(() => opened.close());

    /** Resolves when `to` has heard everything that `from` said so far. */
    const fence = async (from: 0 | 1 | 2, to: 0 | 1 | 2): Promise<void> => {
      fences += 1;
      const id = `fence ${fences}`;
      buses[from].broadcast({ kind: 'failure', user: '', event: '', id });
      await eventually(`${id} arrives`, () => heard[to].node.some((it) => it.kind === 'failure' && it.id === id));
    };
    const seqsOf = (it: Heard): number[] =>
      it.room.map(([, event]) => (event.kind === 'message' ? event.message.seq : 0));
    const withoutFences = (it: Heard): NodeEvent[] => it.node.filter((event) => event.kind !== 'failure');

    it('takes events of a room to the other nodes that subscribed to it, and to nobody else', async () => {
      await Promise.all([buses[0].subscribe(['room']), buses[1].subscribe(['other', 'room'])]);
      await buses[2].subscribe(['other']);
      const event = message(1);
      buses[0].publish('room', event);
      await Promise.all([fence(0, 1), fence(0, 2)]);
      assert.deepEqual(heard[1].room, [['room', event]]);
      assert.deepEqual(heard[2].room, []);
      assert.deepEqual(heard[0].room, [], 'a node never hears its own events');
      buses[2].publish('room', event);
      await Promise.all([fence(2, 0), fence(2, 1)]);
      assert.deepEqual(heard[0].room, [['room', event]]);
      assert.equal(heard[1].room.length, 2);
    });

    it('has subscribed when it says so: what is published from then on arrives', async () => {
      for (let n = 0; n < 20; n += 1) {
        await buses[1].subscribe([`room ${n}`]);
        buses[0].publish(`room ${n}`, message(n));
      }
      await fence(0, 1);
      assert.deepEqual(
        heard[1].room.map(([id]) => id),
        Array.from({ length: 20 }, (_, n) => `room ${n}`),
      );
    });

    it('subscribes to many rooms at once, whatever their names', async () => {
      const names = [
        '',
        '*',
        'a.b',
        'a:b',
        '{x}',
        '__proto__',
        'with space',
        'größe 💬',
        'x'.repeat(20),
        'y'.repeat(500),
      ];
      const rooms = [...names, ...Array.from({ length: 1000 }, (_, n) => `r${n}`)];
      await buses[1].subscribe(rooms);
      await buses[1].subscribe([]);
      for (const it of names) buses[0].publish(it, message(1));
      buses[0].publish('r999', message(2));
      buses[0].publish('r', message(3));
      await fence(0, 1);
      assert.deepEqual(
        heard[1].room.map(([id]) => id),
        [...names, 'r999'],
      );
    });

    it('hears no room any more that it unsubscribed from, however often it had subscribed', async () => {
      await buses[1].subscribe(['room', 'kept']);
      await buses[1].subscribe(['room']);
      buses[1].unsubscribe('room');
      buses[1].unsubscribe('never had');
      await eventually('the room is silent', async () => {
        heard[1].room.length = 0;
        buses[0].publish('room', message(1));
        buses[0].publish('kept', message(2));
        await fence(0, 1);
        return heard[1].room.every(([id]) => id === 'kept');
      });
      await buses[1].subscribe(['room']);
      heard[1].room.length = 0;
      buses[0].publish('room', message(3));
      await fence(0, 1);
      assert.deepEqual(seqsOf(heard[1]), [3]);
    });

    it('tells every other node what is for all', async () => {
      const events: NodeEvent[] = [
        { kind: 'joined', user: 'u', name: 'Ü', role: 'member', room, at: room.createdAt },
        {
          kind: 'left',
          user: 'u',
          name: 'Ü',
          chatroom: 'room',
          count: 0,
          at: room.createdAt,
          reason: 'banned',
          wasMember: false,
        },
        { kind: 'room', room, was: 'new' },
        { kind: 'deleted', room },
        { kind: 'status', user: 'u', status: 2, rooms: ['a', 'b'] },
        { kind: 'revoked', tokenHash: 'ab' },
      ];
      for (const event of events) buses[2].broadcast(event);
      await Promise.all([fence(2, 0), fence(2, 1)]);
      for (const at of [0, 1] as const) assert.deepEqual(withoutFences(heard[at]), events);
      assert.deepEqual(heard[2].node, []);
    });

    it('takes every kind of event as it is', async () => {
      await buses[1].subscribe(['room']);
      const large = message(2, '\u0000"\\\u2028💬'.repeat(10_000));
      const events: RoomEvent[] = [
        message(1),
        large,
        { kind: 'changed', change: { id: 'm1', chatroom: 'room', seq: 1, rev: 1, message: '' } },
        { kind: 'changed', change: { id: 'm1', chatroom: 'room', seq: 1, rev: 2 } },
        { kind: 'writing', user: 'u', name: 'U', status: 0 },
        { kind: 'read', user: 'u', seq: 3 },
      ];
      for (const event of events) buses[0].publish('room', event);
      await fence(0, 1);
      assert.deepEqual(
        heard[1].room.map(([, event]) => event),
        events,
      );
    });

    it('takes many events from all to all', async () => {
      for (const bus of buses) await bus.subscribe(['room']);
      for (let seq = 1; seq <= 500; seq += 1) buses[(seq % 3) as 0 | 1 | 2].publish('room', message(seq));
      for (const at of [0, 1, 2] as const) {
        await eventually('all of the others arrive', () => {
          const own = new Set(seqsOf(heard[at]));
          return Array.from({ length: 500 }, (_, n) => n + 1).every((seq) => own.has(seq) === (seq % 3 !== at));
        });
      }
    });

    describe('when a node dies', () => {
      it('the others hear that something may have been lost', async () => {
        await opened.killNode(2);
        for (const at of [0, 1] as const) await eventually('the suspicion', () => heard[at].suspicions > 0, 16_000);
      }, 20_000);

      it('the others go on, and it hears nothing more', async () => {
        for (const bus of buses) await bus.subscribe(['room']);
        await opened.killNode(2);
        buses[0].publish('room', message(1));
        buses[0].broadcast({ kind: 'revoked', user: 'u' });
        await fence(0, 1);
        assert.deepEqual(seqsOf(heard[1]), [1]);
        assert.deepEqual(heard[2].room, []);
        assert.deepEqual(heard[2].node, []);
      });

      it('what it said last does no harm', async () => {
        const speaking = buses[2].subscribe(['room']).catch(() => {});
        buses[2].publish('room', message(1));
        await opened.killNode(2);
        await speaking;
        buses[1].publish('room', message(2));
        await fence(1, 0);
        assert.deepEqual(heard[2].room, []);
      });

      it('it blocks and rejects no sender, and says that it cannot subscribe', async () => {
        await opened.killNode(2);
        buses[2].publish('room', message(1));
        buses[2].broadcast({ kind: 'revoked', user: 'u' });
        buses[2].unsubscribe('room');
        await assert.rejects(buses[2].subscribe(['room']));
      });
    });

    describe('when a node reads nothing', () => {
      it('the others are not held up, and it hears what it missed or that it missed something', async () => {
        await Promise.all([buses[1].subscribe(['room']), buses[2].subscribe(['room'])]);
        const goOn = opened.stallNode(2);
        for (let seq = 1; seq <= 1000; seq += 1) {
          buses[0].publish('room', message(seq));
          if (seq % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await fence(0, 1);
        assert.equal(seqsOf(heard[1]).length, 1000);
        assert.equal(heard[2].room.length, 0);
        goOn();
        await eventually('all, or a suspicion', () => heard[2].suspicions > 0 || seqsOf(heard[2]).includes(1000));
        const got = seqsOf(heard[2]);
        assert.deepEqual(
          got,
          [...new Set(got)].sort((a, b) => a - b),
        );
        assert.ok(got.length === 1000 || heard[2].suspicions > 0);
        buses[0].publish('room', message(2000));
        await fence(0, 2);
        assert.equal(seqsOf(heard[2]).at(-1), 2000, 'and from then on it hears everything again');
      });
    });
  });
}
