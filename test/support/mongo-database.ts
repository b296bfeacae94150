import { mongo } from 'mongoose';

/** The database of a connection string, laid open past the driver: to look at what is stored, or to break it. */
export async function withDatabase<R>(uri: string, work: (database: mongo.Db) => Promise<R>): Promise<R> {
  const client = new mongo.MongoClient(uri, { serverSelectionTimeoutMS: 5000 });
  try {
    return await work(client.db());
  } finally {
    await client.close();
  }
}

export const dropDatabase = (uri: string): Promise<void> =>
  withDatabase(uri, async (database) => void (await database.dropDatabase()));
