import { connectRaw } from './raw-client.js';

const SENDERS = 8;
const SETTLE_MS = 5000;
/** A server that has just started costs more per message while its code is still being compiled. */
const WARM_MESSAGES = 2000;
const WARM_IN_FLIGHT = 32;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

/**
 * Sends `rate` messages a second into one room, on a fixed schedule (a server that falls behind is measured from when
 * the message was due), and counts what all members get and what the server's processes cost meanwhile.
 */
export async function measureFanOut(start, { rate, seconds, members }) {
  const server = await start();
  try {
    const latencies = [];
    const watch = (data) => {
      const text = data.toString();
      const at = text.indexOf('due ');
      if (at >= 0) latencies.push(performance.now() - Number.parseFloat(text.slice(at + 4)));
    };
    const tokens = [];
    for (let i = 0; i < members; i += 1) tokens.push(await server.token());
    // What the accounts and memberships cost stays out of what a connection costs.
    const before = server.usage();
    const clients = [];
    for (const [i, token] of tokens.entries()) {
      clients.push(await connectRaw(server.url, token, { onMessage: i < 4 ? watch : undefined }));
    }
    const connected = server.usage();
    const senders = clients.slice(-SENDERS);
    const filler = 'x'.repeat(60);
    const send = (i, due) =>
      senders[i % SENDERS].send({
        chatroom: server.room,
        message: `due ${due.toFixed(2)} ${filler}`,
        clientId: `c${i}`,
      });

    const received = () => clients.reduce((sum, it) => sum + it.received, 0);
    const hasReceived = async (wanted) => {
      for (const until = performance.now() + SETTLE_MS; received() < wanted && performance.now() < until; )
        await sleep(20);
    };
    const warm = async (lane) => {
      for (let i = lane; i < WARM_MESSAGES; i += WARM_IN_FLIGHT) await send(1_000_000 + i, performance.now());
    };
    await Promise.all(Array.from({ length: WARM_IN_FLIGHT }, (_, lane) => warm(lane)));
    await hasReceived(WARM_MESSAGES * members);
    await sleep(300);
    latencies.length = 0;
    const countBefore = received();
    const usageBefore = server.usage();
    const startedAt = performance.now();
    const total = rate * seconds;
    const acks = [];
    for (let i = 0; i < total; ) {
      const now = performance.now();
      for (; i < total && startedAt + (i * 1000) / rate <= now; i += 1) {
        acks.push(send(i, startedAt + (i * 1000) / rate));
      }
      await sleep(1);
    }
    await Promise.race([Promise.all(acks), sleep(SETTLE_MS)]);
    const wanted = total * members;
    await hasReceived(countBefore + wanted);
    const elapsed = (performance.now() - startedAt) / 1000;
    const usage = server.usage();
    const deliveries = received() - countBefore;
    for (const client of clients) client.close();
    latencies.sort((a, b) => a - b);
    return {
      deliveriesPerSecond: deliveries / elapsed,
      deliveriesPerCpuSecond: deliveries / (usage.cpuSeconds - usageBefore.cpuSeconds),
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      kibPerClient: (connected.kib - before.kib) / members,
      complete: deliveries === wanted,
    };
  } finally {
    await server.stop();
  }
}
