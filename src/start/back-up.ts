import { newEpoch } from '../chat/new-epoch.ts';
import { parseConfig } from '../config/parse-config.ts';
import { type BackedUp, BackUpRefused, backUp, restore } from '../drivers/store/sqlite/back-up.ts';

/** Of the store that the environment names, while a server may run on it. */
export const backUpStore = (env: NodeJS.ProcessEnv, file: string): BackedUp => backUp(folderOf(env), file);

/** Into the folder that the environment names, on which no server may run. */
export const restoreStore = (env: NodeJS.ProcessEnv, file: string): BackedUp => restore(folderOf(env), file, newEpoch);

function folderOf(env: NodeJS.ProcessEnv): string {
  const { store } = parseConfig(env);
  if (store.kind === 'sqlite') return store.dir;
  throw new BackUpRefused('MongoDB is backed up by its own tools (mongodump, snapshots), not by this command');
}
