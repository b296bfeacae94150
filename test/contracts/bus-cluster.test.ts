import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import type { Bus, RoomEvent } from '../../src/chat/ports/bus.ts';
import { ClusterBus } from '../../src/drivers/bus/cluster/cluster-bus.ts';
import { ClusterBusRelay } from '../../src/drivers/bus/cluster/cluster-bus-relay.ts';
import { type ClusterLinks, openClusterLinks } from '../support/cluster-links.ts';
import { eventually } from '../support/eventually.ts';
import { busContract } from './bus-contract.ts';

busContract('cluster', async (count) => {
  const links = openClusterLinks(count, new ClusterBusRelay());
  return { ...links, nodes: links.nodes.map(({ link }) => new ClusterBus(link)) };
});

describe('ClusterBus', () => {
  /** Batches that may wait for one receiver. */
  const STUCK_BATCHES = 64;
  const event: RoomEvent = { kind: 'read', user: 'u', seq: 1 };
  let links: ClusterLinks;
  let buses: Bus[];
  let suspicions: number[];
  let got: number[];

  beforeEach(async () => {
    links = openClusterLinks(3, new ClusterBusRelay());
    buses = links.nodes.map(({ link }) => new ClusterBus(link));
    suspicions = buses.map(() => 0);
    got = buses.map(() => 0);
    for (const [at, bus] of buses.entries()) {
      const count = (counts: number[]) => (): void => {
        counts[at] = (counts[at] ?? 0) + 1;
      };
      bus.listen({ onRoom: count(got), onNode: () => {}, onSuspect: count(suspicions) });
      await bus.subscribe(['room']);
    }
  });
  afterEach(() => links.close());

  const publishInTurns = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn += 1) {
      buses[0]?.publish('room', event);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it('keeps a bounded number of batches for a node that reads nothing, and tells it once that some were lost', async () => {
    const goOn = links.stallNode(2);
    await publishInTurns(STUCK_BATCHES * 10);
    await eventually('the other node has all', () => got[1] === STUCK_BATCHES * 10);
    assert.equal(links.nodes[2]?.down.waiting, STUCK_BATCHES);
    goOn();
    await eventually('the suspicion', () => suspicions[2] === 1);
    assert.equal(got[2], STUCK_BATCHES);
    await publishInTurns(10);
    await eventually('what came later', () => got[2] === STUCK_BATCHES + 10);
    assert.deepEqual(suspicions, [0, 0, 1]);
  });

  it('keeps a bounded number of batches while the primary reads nothing, and the others hear of it', async () => {
    const up = links.nodes[0]?.up;
    up?.stall();
    await publishInTurns(STUCK_BATCHES * 3);
    assert.equal(up?.waiting, STUCK_BATCHES);
    up?.goOn();
    await eventually('the suspicion', () => suspicions[1] === 1 && suspicions[2] === 1);
    assert.equal(suspicions[0], 0);
    assert.equal(got[1], STUCK_BATCHES);
  });

  it('passes an event only to the nodes that want its room', async () => {
    buses[2]?.unsubscribe('room');
    await buses[2]?.subscribe(['other']);
    const goOn = links.stallNode(2);
    await publishInTurns(20);
    await eventually('the other node has all', () => got[1] === 20);
    assert.equal(links.nodes[2]?.down.waiting, 0);
    goOn();
  });
});
