import { randomUUID } from 'node:crypto';
import type { Log } from '../../src/chat/ports/log.ts';
import { MongoStore } from '../../src/drivers/store/mongodb/mongo-store.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { dropDatabase } from '../support/mongo-database.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { type OpenStore, storeContract } from './store-contract.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Through a proxy, as what breaks down is the way to the engine: that is shared with other tests. */
async function openStore(): Promise<OpenStore> {
  const uri = new URL(engines.mongodb(`parley_${randomUUID().replaceAll('-', '')}`));
  const direct = uri.href;
  const proxy = await startTcpProxy({ host: uri.hostname, port: Number(uri.port) });
  uri.port = `${proxy.port}`;
  const stores: MongoStore[] = [];
  const another = async () => {
    const store = MongoStore.open({ uri: uri.href, log: silent });
    stores.push(store);
    await eventually('the store is reached', () => store.reach === 'here', 15_000);
    return store;
  };
  const closeAll = async () => {
    for (const it of stores.splice(0)) await it.close();
  };
  const close = async () => {
    await closeAll();
    await proxy.close();
    await dropDatabase(direct);
  };
  const store = await another().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    store,
    another,
    async reopen() {
      await closeAll();
      return another();
    },
    async breakDown() {
      proxy.refuse();
    },
    async recover() {
      proxy.heal();
      for (const it of stores) await eventually('the store is back', () => it.reach === 'here');
    },
    close,
  };
}

storeContract('mongodb', openStore);
