import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { ClusterPresence } from '../../src/drivers/presence/cluster/cluster-presence.ts';
import { ClusterPresenceTable } from '../../src/drivers/presence/cluster/cluster-presence-table.ts';
import { openClusterLinks } from '../support/cluster-links.ts';
import { settle } from '../support/fake-clock.ts';
import { presenceContract } from './presence-contract.ts';

presenceContract('cluster', async (count) => {
  const links = openClusterLinks(count, new ClusterPresenceTable());
  return { ...links, nodes: links.nodes.map(({ link }) => new ClusterPresence(link)) };
});

describe('ClusterPresenceTable', () => {
  it('keeps nothing of users who are gone', async () => {
    const table = new ClusterPresenceTable();
    const links = openClusterLinks(2, table);
    const [a, b] = links.nodes.map(({ link }) => new ClusterPresence(link));
    for (let n = 0; n < 50; n += 1) await Promise.all([a?.enter(`user ${n}`), b?.enter(`user ${n % 10}`)]);
    assert.equal(table.size, 50);
    for (let n = 0; n < 50; n += 1) await a?.exit(`user ${n}`);
    assert.equal(table.size, 10);
    b?.enter('on its way').catch(() => {}); // its node dies before it is heard
    links.killNode(1);
    await settle();
    assert.equal(table.size, 0);
    links.close();
  });
});
