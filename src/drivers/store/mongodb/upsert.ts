import { isDuplicate } from './store-failure.ts';

/** Two that find nothing to raise both make it, and one of them fails: then there is something. */
export async function raise(upsert: () => Promise<unknown>): Promise<void> {
  try {
    await upsert();
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    await upsert();
  }
}
