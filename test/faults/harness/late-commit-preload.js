// Loaded into the processes of a server in front of its own code: what becomes of a message is in its text. The stores
// are those of the server, stopped where their commit begins and where it is done.
import { setTimeout as sleep } from 'node:timers/promises';
import mongoose from 'mongoose';

/** By its address: what is built is not there yet when imports are checked. */
const built = new URL('../../../dist/chunks/sqlite-store.js', import.meta.url);
const { SqliteStore } = await import(built.href);

const LATE_MS = 2000;

/** Late once: a store may have to try again. */
const met = new Set();

async function meet(texts, commit) {
  const says = (what) => texts.some((it) => it.startsWith(what));
  const late = texts.filter((it) => it.startsWith('late') && !met.has(it));
  for (const it of late) met.add(it);
  if (late.length > 0) await sleep(LATE_MS);
  if (says('dies uncommitted')) process.kill(process.pid, 'SIGKILL');
  let stored = texts;
  try {
    return await commit();
  } catch (error) {
    // An ordered insert stores what stands before the first document that it refuses.
    stored = texts.slice(0, [error.writeErrors].flat()[0]?.index ?? 0);
    throw error;
  } finally {
    if (stored.some((it) => it.startsWith('dies untold'))) process.kill(process.pid, 'SIGKILL');
  }
}

const { append } = SqliteStore.prototype;
SqliteStore.prototype.append = function appendOrNot(draft) {
  return meet([draft.message], () => append.call(this, draft));
};

// By then the seqs are chosen.
const { insertMany } = mongoose.Model;
mongoose.Model.insertMany = function insertOrNot(documents, ...rest) {
  const texts = documents.map((it) => it.message ?? '');
  return meet(texts, () => insertMany.call(this, documents, ...rest));
};
