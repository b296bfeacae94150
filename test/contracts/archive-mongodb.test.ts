import { randomUUID } from 'node:crypto';
import type { Log } from '../../src/chat/ports/log.ts';
import { MongoArchive } from '../../src/drivers/store/mongodb/mongo-archive.ts';
import { MongoStore } from '../../src/drivers/store/mongodb/mongo-store.ts';
import { engines } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { dropDatabase } from '../support/mongo-database.ts';
import { archiveContract } from './archive-contract.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

archiveContract('mongodb', async () => {
  const uri = engines.mongodb(`parley_${randomUUID().replaceAll('-', '')}`);
  return {
    archive: () => MongoArchive.open({ uri, log }),
    async store() {
      const store = MongoStore.open({ uri, log });
      await eventually('the store is reached', () => store.reach === 'here', 15_000);
      return store;
    },
    close: () => dropDatabase(uri),
  };
});
