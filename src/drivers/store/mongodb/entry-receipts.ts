import { trusted } from 'mongoose';
import { idempotencyConflict } from '../../../chat/errors.ts';
import { RECEIPT_FIELDS, type ReceiptFields, type RoomKey } from './documents.ts';
import type { Database } from './mongo-connection.ts';

/** What was stored under the keys, whether by a message or by a command. */
export async function receiptsOf(
  { models, op }: Database,
  room: RoomKey,
  keys: readonly string[],
): Promise<Map<string, ReceiptFields>> {
  const found = await op(
    models.entries
      .find({ room, key: trusted({ $in: keys }) }, RECEIPT_FIELDS)
      .lean<ReceiptFields[]>()
      .exec(),
  );
  return new Map(found.map((it) => [it.key, it]));
}

/** Throws `idempotency_conflict` unless what was stored is what is sent again. */
export function requireSame(first: ReceiptFields, fingerprint: string, kind: 'message' | 'command'): void {
  const isMessage = first.seq > 0;
  if (isMessage !== (kind === 'message') || first.fingerprint !== fingerprint) throw idempotencyConflict();
}

/** How many of the first have keys of their own: a key that is repeated has to wait for the outcome of the first. */
export function distinctPrefix(keys: readonly string[], most: number): number {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key) || seen.size === most) break;
    seen.add(key);
  }
  return seen.size;
}
