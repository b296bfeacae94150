import type { SpawnedServer } from '../../support/spawn-server.ts';
import type { TestBed } from '../../support/test-bed.ts';
import { judge, type Losses, lossesOf, type Verdict } from './judge.ts';
import { Load, type LoadResult, type LoadSize } from './load.ts';
import { type PlainCluster, plainMembers } from './plain-cluster.ts';
import { type PreparedChat, prepareChat } from './prepare-chat.ts';

/** Puts a load on a server, lets `fault` happen meanwhile, then judges what the clients were told and hold. */
export async function underLoad<T>(
  bed: TestBed,
  { url }: SpawnedServer,
  size: LoadSize,
  fault: (load: Load, chat: PreparedChat) => Promise<T>,
): Promise<{ load: Load; result: LoadResult; verdict: Verdict; seen: T }> {
  const chat = await prepareChat(url, size);
  const load = await Load.start(bed, {
    url,
    members: chat.members,
    perSecond: size.perSecond,
    catchesUp: true,
  });
  const seen = await fault(load, chat);
  const result = await load.stop();
  return { load, result, verdict: await judge(url, chat, result), seen };
}

/** The same load on the plain server, which can only be asked what was missed. */
export async function underLoadPlain<T>(
  bed: TestBed,
  { url }: PlainCluster,
  size: LoadSize,
  fault: (load: Load) => Promise<T>,
): Promise<{ load: Load; result: LoadResult; losses: Losses; seen: T }> {
  const load = await Load.start(bed, {
    url,
    members: plainMembers(size),
    perSecond: size.perSecond,
    catchesUp: false,
  });
  const seen = await fault(load);
  const result = await load.stop();
  return { load, result, losses: lossesOf(result.journals), seen };
}
