/**
 * The load, in a process of its own, so that neither the test nor the server under it slows its clock. Told a plan, it
 * brings the clients in, sends, and tells every attempt, cut and return as it happens; told to stop, it waits for the
 * last receipts, tells what every client holds, and waits for its own end. See load.ts for the other end.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { waitUntil } from '../../../src/platform/wait-until.ts';
import { startSteadySender } from '../../support/steady-sender.ts';
import { watchMachine } from '../../support/watch-machine.ts';
import { JournallingClient } from './journalling-client.ts';
import type { FromLoad, LoadPlan, ToLoad } from './load-plan.ts';

/** Connections under way at a time while the load is set up. */
const AT_ONCE = 20;
const TEXT_BYTES = 100;
const RECEIPTS_MS = 25_000;
/** A server that keeps nothing will not come round. */
const PLAIN_RECEIPTS_MS = 3000;
/** For what was acknowledged last to reach everybody. */
const CATCH_UP_MS = 5000;

const tell = (message: FromLoad): void => void process.send?.(message);

/** Resolves with what ends the load. */
async function start(plan: LoadPlan): Promise<() => Promise<void>> {
  const around = { url: plan.url, catchesUp: plan.catchesUp, tell, sentTo: new Map<string, string>() };
  const clients = plan.members.map((it) => new JournallingClient(it, around));
  for (let from = 0; from < clients.length; from += AT_ONCE) {
    await Promise.all(clients.slice(from, from + AT_ONCE).map((it) => it.comeIn()));
  }
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const [cpu, machineShare, startedAt] = [process.cpuUsage(), watchMachine(), performance.now()];
  const roomOf = (n: number): string => clients[n % clients.length]?.room ?? '';
  const load = startSteadySender(clients, roomOf, plan.perSecond, TEXT_BYTES);
  tell({ kind: 'in' });

  return async () => {
    let settled = false;
    void load.stop().then(() => {
      settled = true;
    });
    await waitUntil(() => settled, performance.now() + (plan.catchesUp ? RECEIPTS_MS : PLAIN_RECEIPTS_MS));
    const acked = new Map<string, number>();
    for (const it of clients) acked.set(it.room, (acked.get(it.room) ?? 0) + it.acked.length);
    const holdsAll = (it: JournallingClient): boolean => it.isHere && it.lengthOf(it.room) >= (acked.get(it.room) ?? 0);
    await waitUntil(() => plan.catchesUp && clients.every(holdsAll), performance.now() + CATCH_UP_MS);
    delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    const takenOfMachine = machineShare();
    for (const it of clients) {
      tell({ kind: 'journal', journal: it.journal() });
      it.close();
    }
    tell({
      kind: 'end',
      summary: {
        sent: load.sent(),
        unsettled: load.sent() - clients.reduce((sum, it) => sum + it.acked.length, 0),
        refusals: load.refusals,
        loopDelayMs: delay.percentile(99) / 1e6,
        cpuShare: (user + system) / 1000 / (performance.now() - startedAt),
        machineShare: takenOfMachine,
      },
    });
  };
}

let started: Promise<() => Promise<void>> | undefined;
process.on('message', (message: ToLoad) => {
  if (message.kind === 'start') started = start(message.plan);
  else void started?.then((stop) => stop());
});
process.on('disconnect', () => process.exit(0));
