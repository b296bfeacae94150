import { eventually } from './eventually.ts';

interface Sender {
  readonly name: string;
  send(room: string, message: string): Promise<unknown>;
}

const PAUSE_MS = 25;

/** Each client sends one message after the other, in turn to the rooms, until `stop`, which waits for the last receipts. */
export function startSenders(clients: readonly Sender[], rooms: readonly string[]): { stop(): Promise<void> } {
  let running = true;
  const failures: unknown[] = [];
  const loops = clients.map(async (client, n) => {
    for (let i = 0; running; i += 1) {
      const room = rooms[(n + i) % rooms.length];
      if (room === undefined) return;
      await client.send(room, `${client.name} says ${i}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  });
  const all = Promise.allSettled(loops).then((ends) => {
    for (const it of ends) if (it.status === 'rejected') failures.push(it.reason);
  });
  return {
    async stop() {
      running = false;
      let done = false;
      void all.then(() => {
        done = true;
      });
      await eventually('all receipts have come', () => done, 50_000);
      if (failures.length > 0) throw new AggregateError(failures, 'not everything could be sent');
    },
  };
}
