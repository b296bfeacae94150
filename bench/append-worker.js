import { randomUUID } from 'node:crypto';
import { newId } from '../dist/chat/new-id.js';
import { SqliteStore } from '../dist/drivers/store/sqlite/sqlite-store.js';
import { Link } from '../dist/platform/link.js';
import { TOPICS } from '../dist/start/cluster-state.js';
import { linkOptions } from '../dist/start/link-options.js';
import { processChannel } from '../dist/start/process-channel.js';

const ROOMS = 10;
const link = new Link(processChannel(process), linkOptions);
const store = await SqliteStore.open(process.env.BENCH_DIR, (write) => link.call(TOPICS.write, write));
const owner = `bench-${process.pid}`;
const createdAt = new Date().toISOString();
const rooms = [];
for (let i = 0; i < ROOMS; i += 1) {
  const id = randomUUID();
  const room = { id, name: id, nameKey: id, topic: '', visibility: 'public', epoch: 'bench', createdAt };
  rooms.push((await store.createRoom(room, { user: owner, name: 'bench' }, ROOMS + 1)).id);
}
const latencies = [];
const startedAt = performance.now();
const endsAt = startedAt + Number(process.env.BENCH_SECONDS) * 1000;

async function appendOn(lane) {
  for (let n = 0; performance.now() < endsAt; n += 1) {
    const id = newId(Date.now()); // as the server does
    const at = performance.now();
    await store.append({
      id,
      chatroom: rooms[(lane + n) % ROOMS],
      owner,
      ownerName: 'bench',
      type: 1,
      message: 'A line of chat of about eighty characters, as people write them all day long.',
      createdAt,
      clientId: id,
      fingerprint: 'bench',
    });
    latencies.push(performance.now() - at);
  }
}

await Promise.all(Array.from({ length: Number(process.env.BENCH_FLIGHT) }, (_, lane) => appendOn(lane)));
const perSecond = latencies.length / ((performance.now() - startedAt) / 1000);
link.tell('bench.result', { perSecond, latencies });
await link.call('bench.done', null).catch(() => {}); // the answer comes after what was told
process.disconnect();
