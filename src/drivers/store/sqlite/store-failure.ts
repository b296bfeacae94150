import { ChatError, invalidFields, tryAgain } from '../../../chat/errors.ts';
import { Unstorable } from './guarded-database.ts';

/**
 * Primary result codes of the engine that speak of the disk and not of the statement: busy, locked, out of memory,
 * read-only, I/O error, corrupt, full, cannot open, locking protocol, not a database.
 */
const DISK_CODES: ReadonlySet<number> = new Set([5, 6, 7, 8, 10, 11, 13, 14, 15, 26]);

export function isDiskFailure(error: unknown): boolean {
  if (!(error instanceof Error) || !('rawCode' in error) || typeof error.rawCode !== 'number') return false;
  return DISK_CODES.has(error.rawCode & 0xff);
}

/** What the caller of a write hears; its transaction was rolled back. */
export function writeFailure(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  if (error instanceof Unstorable) return invalidFields(error.message);
  if (isDiskFailure(error)) return tryAgain('the store', error);
  return new ChatError('internal', 'the store refused this write; nothing was stored', { cause: error });
}

/** What the caller of a read hears. */
export function readFailure(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  if (error instanceof Unstorable) return invalidFields(error.message);
  return tryAgain('the store', error);
}
