import type { Reach } from '../platform/reach.ts';
import type { ClusterState } from './cluster-state.ts';

/** The parts that may be elsewhere, under the names that `/readyz` gives them. */
export type Parts = Readonly<Record<'store' | 'bus' | 'broker' | 'accounts', () => Reach>>;

/**
 * Traffic may come once all workers listen and every part was reached once, as long as the store answers and nobody
 * drains. Without any other part the chat goes on, degraded.
 */
export function judgeReadiness(
  parts: Parts,
  { complete, restartWanted }: Pick<ClusterState, 'complete' | 'restartWanted'>,
  draining: boolean,
): { ready: boolean; reasons: string[]; degraded: string[] } {
  const seen = Object.entries(parts).map(([part, reach]) => ({ part, reach: reach() }));
  const missing = seen.filter(({ part, reach }) => reach === 'never' || (part === 'store' && reach === 'away'));
  const away = seen.filter((it) => it.reach === 'away' && !missing.includes(it));
  const reasons = [
    ...(complete ? [] : ['workers']),
    ...missing.map(({ part }) => part),
    ...(draining ? ['draining'] : []),
  ];
  return {
    ready: reasons.length === 0,
    reasons,
    degraded: [...away.map(({ part }) => part), ...(restartWanted ? ['version'] : [])],
  };
}
