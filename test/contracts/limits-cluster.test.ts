import { ClusterLimits } from '../../src/drivers/limits/cluster/cluster-limits.ts';
import { ClusterLimitsTable } from '../../src/drivers/limits/cluster/cluster-limits-table.ts';
import { openClusterLinks } from '../support/cluster-links.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { limitsContract } from './limits-contract.ts';

limitsContract('cluster', async (count) => {
  const clock = new FakeClock();
  const links = openClusterLinks(count, new ClusterLimitsTable(clock));
  return {
    ...links,
    nodes: links.nodes.map(({ link }) => new ClusterLimits(link)),
    passMs: (ms) => clock.advance(ms),
  };
});
