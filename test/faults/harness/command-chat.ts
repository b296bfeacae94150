import { join } from 'node:path';
import { comeInOrderly } from '../../support/come-back.ts';
import { eventually } from '../../support/eventually.ts';
import { prepareFolder } from '../../support/prepared-folder.ts';
import { RawClient } from '../../support/raw-client.ts';
import { readHistory, rest, type StoredMessage } from '../../support/rest.ts';
import type { Env, SpawnedServer } from '../../support/spawn-server.ts';
import type { TestBed } from '../../support/test-bed.ts';
import { CommandLoad } from './command-load.ts';
import { findingsOf, startTalk, type Talk } from './talk.ts';

const MEMBERS = 20;
const BOTS_MS = 30_000;
const ANSWERS_MS = 15_000;

/** Two workers on the embedded store, bots as a process of their own, and two rooms: of people who talk, and of commands. */
export interface CommandChat {
  readonly server: SpawnedServer;
  readonly bots: SpawnedServer;
  readonly commands: CommandLoad;
  readonly talk: Talk;
  /** What the worker that answers now says to be away. */
  readonly degraded: () => Promise<readonly string[]>;
  /** Ends the talk and the commands, waits for the last answers, and resolves with the commands' room. */
  readonly settle: () => Promise<StoredMessage[]>;
  /** What is wrong in either room. */
  readonly findings: () => Promise<string[]>;
}

export async function openCommandChat(bed: TestBed, env: Env): Promise<CommandChat> {
  const dataDir = join(await bed.folder(), 'data');
  const folder = await prepareFolder(dataDir, { rooms: 2, users: MEMBERS }, () => [0]);
  const { token, name } = folder.owner;
  const room = folder.rooms[1] ?? '';
  const settings = { LOG: 'warn', ...env };
  const bots = await bed.start(settings, ['--bots']);
  const server = await bed.server({ DATA_DIR: dataDir, INSTANCES: '2', ...settings });
  const { url } = server;
  await eventually('the bots consume', () => /^Parley bots consume /m.test(bots.output), BOTS_MS);
  const follower = bed.own(new RawClient(url, token, name, [room]), (it) => it.close());
  await comeInOrderly([follower]);
  const commands = bed.own(new CommandLoad({ url, token, room, follower }), (it) => it.close());
  const talk = await startTalk(bed, url, folder);
  return {
    server,
    bots,
    commands,
    talk,
    degraded: async () => (await rest<{ degraded: string[] }>(url, 'GET /readyz')).body.degraded,
    async settle() {
      await Promise.all([talk.stop(), commands.stop()]);
      // What is missing is told by the comparison.
      await eventually('all are answered', () => commands.unanswered.length === 0, ANSWERS_MS).catch(() => {});
      return readHistory(url, token, room);
    },
    findings: async () => [
      ...commands.refusals,
      ...(await talk.findings()),
      ...(await findingsOf(url, token, room, [follower])),
    ],
  };
}

/** The same talk on a server of its own that has no broker: what slows it down is the machine. */
export async function openBystander(bed: TestBed): Promise<Talk> {
  const dataDir = join(await bed.folder(), 'data');
  const folder = await prepareFolder(dataDir, { rooms: 1, users: MEMBERS }, () => [0]);
  const { url } = await bed.server({ DATA_DIR: dataDir, INSTANCES: '2', LOG: 'warn' });
  return startTalk(bed, url, folder);
}

/** Which commands have no answer in the room's history, which have several, and what answers nothing: of each the id. */
export function compareAnswers(
  { accepted }: CommandLoad,
  history: readonly StoredMessage[],
): { readonly lost: string[]; readonly doubled: string[]; readonly strange: string[] } {
  const times = new Map<string, number>();
  for (const { inReplyTo = 'nothing' } of history) times.set(inReplyTo, (times.get(inReplyTo) ?? 0) + 1);
  const ids = new Set([...accepted.values()].map((it) => it.id));
  return {
    lost: [...ids].filter((id) => !times.has(id)),
    doubled: [...times].flatMap(([id, count]) => (count > 1 ? [id] : [])),
    strange: [...times.keys()].filter((id) => !ids.has(id)),
  };
}
