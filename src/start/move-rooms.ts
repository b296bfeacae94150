import { type Exported, exportRooms } from '../archive/export-rooms.ts';
import { type Imported, importRooms } from '../archive/import-rooms.ts';
import type { RoomId } from '../chat/model.ts';
import { newEpoch } from '../chat/new-epoch.ts';
import type { Archive } from '../chat/ports/archive.ts';
import type { Log } from '../chat/ports/log.ts';
import { parseConfig } from '../config/parse-config.ts';
import { MongoArchive } from '../drivers/store/mongodb/mongo-archive.ts';
import { SqliteArchive } from '../drivers/store/sqlite/sqlite-archive.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

interface OpenArchive extends Archive {
  close(): Promise<void>;
}

async function openArchive(env: NodeJS.ProcessEnv, purpose: 'export' | 'import'): Promise<OpenArchive> {
  const { store } = parseConfig(env);
  switch (store.kind) {
    case 'sqlite':
      return purpose === 'export' ? SqliteArchive.openForReading(store.dir) : SqliteArchive.openForImport(store.dir);
    case 'mongodb':
      return MongoArchive.open({ uri: store.uri, log: silent });
    default:
      return store satisfies never;
  }
}

/** Hands those rooms of the store that the environment names, or all, to `write`, line by line. */
export async function exportStore(
  env: NodeJS.ProcessEnv,
  rooms: readonly RoomId[] | undefined,
  write: (line: string) => Promise<void>,
): Promise<Exported> {
  const archive = await openArchive(env, 'export');
  const exported = { rooms: 0, messages: 0 };
  try {
    for await (const line of exportRooms(archive, rooms, exported)) await write(`${JSON.stringify(line)}\n`);
    return exported;
  } finally {
    await archive.close();
  }
}

/** Into the store that the environment names; `imported` counts what is in, also when it rejects. */
export async function importStore(
  env: NodeJS.ProcessEnv,
  lines: AsyncIterable<string>,
  imported: Imported,
): Promise<void> {
  const archive = await openArchive(env, 'import');
  try {
    await importRooms(archive, lines, newEpoch, imported);
  } finally {
    await archive.close();
  }
}
