import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import type { RoomEvent } from '../../src/chat/ports/bus.ts';
import { ClusterBus } from '../../src/drivers/bus/cluster/cluster-bus.ts';
import { ClusterBusRelay } from '../../src/drivers/bus/cluster/cluster-bus-relay.ts';
import { type Channel, channelPair, Link } from '../../src/platform/link.ts';
import { type ClusterLinks, type ClusterNode, openClusterLinks, testLinkOptions } from '../support/cluster-links.ts';
import { eventually } from '../support/eventually.ts';
import { forSeeds, type Random } from '../support/random.ts';

const ROOM = 'room';
const eventOf = (seq: number): RoomEvent => ({ kind: 'read', user: 'u', seq });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await turn();
};

/** What is told on a channel from now on, by topic. */
function watchTold(channel: Channel): (topic: string) => number {
  const topics: unknown[] = [];
  const send = channel.send.bind(channel);
  channel.send = (message, sent) => {
    const { parley } = message as { parley: readonly (readonly unknown[])[] };
    topics.push(...parley.filter(([kind]) => kind === 'tell').map(([, topic]) => topic));
    send(message, sent);
  };
  return (topic) => topics.filter((it) => it === topic).length;
}

describe('ClusterBus, of rooms that only one worker follows', () => {
  let links: ClusterLinks;
  let buses: [ClusterBus, ClusterBus, ClusterBus];
  let heard: [number[], number[], number[]];
  let suspicions: [number, number, number];
  let published: (topic: string) => number;

  beforeEach(() => {
    links = openClusterLinks(3, new ClusterBusRelay());
    const [a, b, c] = links.nodes.map(({ link }) => new ClusterBus(link));
    assert.ok(a && b && c && links.nodes[0]);
    buses = [a, b, c];
    heard = [[], [], []];
    suspicions = [0, 0, 0];
    for (const at of [0, 1, 2] as const) {
      const onRoom = (_room: string, event: RoomEvent) => void heard[at].push(event.kind === 'read' ? event.seq : 0);
      const onSuspect = (): void => {
        suspicions[at] += 1;
      };
      buses[at].listen({ onRoom, onNode: () => {}, onSuspect });
    }
    published = watchTold(links.nodes[0].up);
  });
  afterEach(() => links.close());

  it('sends nothing to the primary', async () => {
    await buses[0].subscribe([ROOM, 'other']);
    for (let seq = 1; seq <= 50; seq += 1) {
      buses[0].publish(ROOM, eventOf(seq));
      buses[0].publish('other', eventOf(seq));
      await turn();
    }
    await turns(5);
    assert.equal(published('bus.publish'), 0);
    buses[0].publish('not followed', eventOf(1));
    await turns(5);
    assert.equal(published('bus.publish'), 1);
  });

  it('hears from those who do not follow it', async () => {
    await buses[0].subscribe([ROOM]);
    buses[1].publish(ROOM, eventOf(1));
    await eventually('it comes', () => heard[0].length === 1);
  });

  it('publishes as soon as somebody else follows, and no longer than that', async () => {
    await buses[0].subscribe([ROOM, 'own']);
    await buses[1].subscribe([ROOM]);
    buses[0].publish(ROOM, eventOf(1));
    buses[0].publish('own', eventOf(2));
    await eventually('it comes', () => heard[1].includes(1));
    await buses[2].subscribe([ROOM]);
    buses[1].unsubscribe(ROOM);
    await turns(10);
    buses[0].publish(ROOM, eventOf(3));
    await eventually('it comes to the third', () => heard[2].includes(3));
    assert.equal(published('bus.publish'), 2);
    links.killNode(2);
    await turns(10);
    buses[0].publish(ROOM, eventOf(4));
    await turns(10);
    assert.equal(published('bus.publish'), 2);
    assert.deepEqual(heard, [[], [1], [3]]);
  });

  it('is alone again after it subscribed anew, though others left in between', async () => {
    await buses[1].subscribe([ROOM]);
    await buses[0].subscribe([ROOM]);
    buses[0].unsubscribe(ROOM);
    buses[1].unsubscribe(ROOM);
    await buses[0].subscribe([ROOM]);
    await buses[0].subscribe([ROOM]);
    await turns(10);
    buses[0].publish(ROOM, eventOf(1));
    await turns(10);
    assert.equal(published('bus.publish'), 0);
  });

  it('learns after it was stuck what it was not told, and the others learn that they may have missed something', async () => {
    await buses[0].subscribe([ROOM, 'own']);
    await turns(4);
    const goOn = links.stallNode(0);
    for (let n = 0; n < 100; n += 1) {
      buses[2].broadcast({ kind: 'revoked', user: 'u' });
      await turn();
    }
    await buses[1].subscribe([ROOM]);
    await turns(10);
    buses[0].publish(ROOM, eventOf(1));
    await turns(10);
    assert.equal(published('bus.publish'), 0, 'it cannot know yet');
    goOn();
    await eventually('the suspicion', () => suspicions[0] === 1 && suspicions[1] === 1);
    buses[0].publish(ROOM, eventOf(2));
    buses[0].publish('own', eventOf(3));
    await eventually('it comes', () => heard[1].includes(2));
    assert.equal(published('bus.publish'), 1, 'it is still alone in the other room');
  });

  describe('as the primary says it', () => {
    let primary: Link;
    let worker: Link;
    let bus: ClusterBus;
    let numbers: number[];
    let got: number[];

    beforeEach(() => {
      const [up, down] = channelPair();
      [worker, primary] = [new Link(up, testLinkOptions), new Link(down, testLinkOptions)];
      numbers = [];
      got = [];
      primary.handle('bus.subscribe', ([number]: [number]) => void numbers.push(number));
      primary.on('bus.publish', ([, event]: [string, string]) => void got.push(JSON.parse(event).seq));
      bus = new ClusterBus(worker);
    });
    afterEach(() => {
      worker.close();
      primary.close();
    });

    const gets = async (seq: number): Promise<boolean> => {
      bus.publish(ROOM, eventOf(seq));
      await turns(6);
      return got.includes(seq);
    };

    it('publishes while nothing was said', async () => {
      await bus.subscribe([ROOM]);
      assert.ok(await gets(1));
    });

    it('does not take what was said of an earlier subscription', async () => {
      await bus.subscribe([ROOM]);
      bus.unsubscribe(ROOM);
      await bus.subscribe([ROOM]);
      const [first = 0, second = 0] = numbers;
      assert.ok(second > first);
      primary.tell('bus.alone', [[ROOM, first]]);
      await turns(4);
      assert.ok(await gets(1));
      primary.tell('bus.alone', [[ROOM, second]]);
      await turns(4);
      assert.ok(!(await gets(2)));
      bus.unsubscribe(ROOM);
      primary.tell('bus.alone', [[ROOM, second]]);
      await turns(4);
      assert.ok(await gets(3));
    });

    it('subscribing anew ends what was said before', async () => {
      await bus.subscribe([ROOM]);
      primary.tell('bus.alone', [[ROOM, numbers[0]]]);
      await turns(4);
      void bus.subscribe([ROOM]);
      assert.ok(await gets(1));
    });

    it('reads what is on its way before it keeps something', async () => {
      await bus.subscribe([ROOM]);
      primary.tell('bus.alone', [[ROOM, numbers[0]]]);
      await turns(4);
      primary.tell('bus.shared', ROOM);
      await turns(1); // sent, and not yet read
      assert.ok(await gets(1));
    });
  });

  describe('beside a store', () => {
    /** A worker that appends, tells, follows and repairs as the chat does; what it shows must have no hole. */
    class Follower {
      following = false;
      busy = false;
      readonly #node: ClusterNode;
      readonly #bus: ClusterBus;
      readonly #head: () => number;
      readonly #heard = new Set<number>();
      #readTo = 0;

      constructor(node: ClusterNode, head: () => number) {
        this.#node = node;
        this.#bus = new ClusterBus(node.link);
        this.#head = head;
        this.#bus.listen({
          onRoom: (_room, event) => void (event.kind === 'read' && this.#heard.add(event.seq)),
          onNode: () => {},
          onSuspect: () => this.#read(),
        });
      }

      async append(): Promise<void> {
        const seq = await this.#node.link.call<number>('append', null);
        this.#heard.add(seq);
        this.#bus.publish(ROOM, eventOf(seq));
      }

      async toggle(): Promise<void> {
        if (this.busy) return;
        if (this.following) {
          this.following = false;
          this.#heard.clear();
          this.#readTo = 0;
          return this.#bus.unsubscribe(ROOM);
        }
        this.busy = true;
        await this.#bus.subscribe([ROOM]);
        this.#read();
        this.following = true;
        this.busy = false;
      }

      missing(): number[] {
        const upTo = Array.from({ length: this.#head() }, (_, n) => n + 1);
        return this.following ? upTo.filter((seq) => seq > this.#readTo && !this.#heard.has(seq)) : [];
      }

      #read(): void {
        this.#readTo = Math.max(this.#readTo, this.#head());
      }
    }

    const play = async (random: Random): Promise<{ appended: number; published: number }> => {
      let head = 0;
      const relay = new ClusterBusRelay();
      const played = openClusterLinks(3, {
        attach(link) {
          relay.attach(link);
          // Committed in a later turn, as by the writer.
          link.handle('append', async () => {
            await turns(random.int(3));
            head += 1;
            return head;
          });
        },
      });
      const counts = played.nodes.map(({ up }) => watchTold(up));
      const followers = played.nodes.map((node) => new Follower(node, () => head));
      const [first, ...rest] = followers;
      assert.ok(first);
      const under: Promise<void>[] = [];
      const anyone = (): Follower => random.pick([first, ...rest]);
      const step = async (): Promise<void> => {
        for (let n = random.int(4); n > 0; n -= 1) under.push(anyone().append());
        if (random.chance(0.15)) under.push(anyone().toggle());
        await turns(random.int(3));
      };
      try {
        for (let round = 0; round < 4; round += 1) {
          for (let n = 0; n < 40; n += 1) await step();
          // Long enough that some of what it is told is dropped, every other time.
          const goOn = played.stallNode(random.int(3));
          for (let n = random.int(2) * 140; n > 0; n -= 1) {
            under.push(anyone().append());
            if (random.chance(0.05)) under.push(anyone().toggle());
            await turn();
          }
          goOn();
        }
        await Promise.all(under);
        await eventually('nobody misses anything', () => followers.every((it) => it.missing().length === 0), 500);
        return { appended: head, published: counts.reduce((sum, count) => sum + count('bus.publish'), 0) };
      } finally {
        played.close();
      }
    };

    it('no follower ever misses what another kept to itself', async () => {
      let kept = 0;
      await forSeeds(25, async (random) => {
        const { appended, published: told } = await play(random);
        kept += appended - told;
      });
      assert.ok(kept > 0, 'something was kept');
    }, 60_000);
  });
});
