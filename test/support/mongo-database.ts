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

/** Emptied first: the engine that tests run on takes ten times as long to drop a collection that is full. */
export const dropDatabase = (uri: string): Promise<void> =>
  withDatabase(uri, async (database) => {
    for (const collection of await database.collections()) await collection.deleteMany({});
    await database.dropDatabase();
  });
