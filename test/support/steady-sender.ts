import { randomUUID } from 'node:crypto';
import type { RawAck, RawClient } from './raw-client.ts';

const TICK_MS = 5;
const SETTLE_MS = 20_000;
const AGAIN_MS = 100;

/** When a message should have been sent stands in its text, so that whoever gets it knows how long it took. */
export const plannedAt = (text: string): number => Number.parseFloat(text);

export interface SteadySender {
  readonly sent: () => number;
  /** Answers that no repetition can mend. */
  readonly refusals: readonly string[];
  /** Ends sending, and resolves when all receipts are there. */
  stop(): Promise<void>;
}

/**
 * Sends at a fixed rate whatever the server does (open loop), in turn from the clients to the rooms that `roomOf` names;
 * what has no clear answer is sent again under its clientId.
 */
export function startSteadySender(
  clients: readonly RawClient[],
  roomOf: (n: number) => string,
  perSecond: number,
  bytes: number,
): SteadySender {
  const filling = 'x'.repeat(bytes);
  const refusals: string[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  let sent = 0;
  let isGivenUp = false;

  async function send(n: number, dueAt: number): Promise<void> {
    const client = clients[n % clients.length];
    if (!client) throw new Error('there is nobody to send');
    const clientId = randomUUID();
    while (!isGivenUp) {
      const ack: RawAck | undefined = await client.send(roomOf(n), `${dueAt.toFixed(1)} ${filling}`, clientId);
      if (ack?.error === 0) return;
      if (ack && ack.retry !== true) {
        refusals.push(JSON.stringify(ack));
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  const timer = setInterval(() => {
    for (; sent < ((performance.now() - startedAt) * perSecond) / 1000; sent += 1) {
      const sending = send(sent, startedAt + (sent * 1000) / perSecond);
      underWay.add(sending);
      void sending.finally(() => underWay.delete(sending));
    }
  }, TICK_MS);
  return {
    sent: () => sent,
    refusals,
    async stop() {
      clearInterval(timer);
      const late = setTimeout(() => {
        isGivenUp = true;
        refusals.push(`${underWay.size} receipts never came`);
      }, SETTLE_MS);
      await Promise.all(underWay);
      clearTimeout(late);
    },
  };
}
