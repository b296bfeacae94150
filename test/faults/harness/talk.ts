import { checkLog } from '../../../src/verify/check-log.ts';
import { comeInOrderly } from '../../support/come-back.ts';
import { eventually } from '../../support/eventually.ts';
import type { PreparedFolder } from '../../support/prepared-folder.ts';
import { RawClient } from '../../support/raw-client.ts';
import { readHistory } from '../../support/rest.ts';
import { plannedAt, startSteadySender } from '../../support/steady-sender.ts';
import type { TestBed } from '../../support/test-bed.ts';
import type { Delay } from './delays.ts';

const SENDERS = 5;
const PER_SECOND = 40;
const BYTES = 100;

/** People who talk in one room. */
export interface Talk {
  /** From when a message should have been sent until each of them had it, since this was asked last. */
  readonly takeDelays: () => Delay[];
  readonly stop: () => Promise<void>;
  /** Who was cut or refused, and what is wrong with the room, by the judge of `src/verify`. */
  readonly findings: () => Promise<string[]>;
}

/** All users of the folder talk in its first room from now on. */
export async function startTalk(bed: TestBed, url: string, { users, rooms, owner }: PreparedFolder): Promise<Talk> {
  const [room = ''] = rooms;
  const clients = users.map(({ token, name }) => bed.own(new RawClient(url, token, name, [room]), (it) => it.close()));
  await comeInOrderly(clients);
  let delays: Delay[] = [];
  for (const it of clients) {
    it.onLive = ({ message }) => {
      const at = performance.now();
      delays.push({ at, ms: at - plannedAt(message) });
    };
  }
  const load = bed.own(
    startSteadySender(clients.slice(0, SENDERS), () => room, PER_SECOND, BYTES),
    (it) => it.stop(),
  );
  return {
    takeDelays: () => {
      const taken = delays;
      delays = [];
      return taken;
    },
    stop: () => load.stop(),
    findings: async () => [...load.refusals, ...(await findingsOf(url, owner.token, room, clients))],
  };
}

/** What is wrong with a room that these clients keep; none of them may have been cut. */
export async function findingsOf(
  url: string,
  token: string,
  room: string,
  clients: readonly RawClient[],
): Promise<string[]> {
  const history = await readHistory(url, token, room);
  const all = () => clients.every((it) => it.lengthOf(room) >= history.length);
  await eventually('all hold it', all).catch(() => {}); // said better by the judge
  const witnesses = clients.map((it) => it.witnessOf(room));
  const cut = clients.filter((it) => it.cuts.length > 0).map((it) => `${it.name} was cut`);
  return [...cut, ...Object.values(checkLog(room, history, witnesses)).flat()];
}
