import { Error as MongooseError, mongo } from 'mongoose';
import { ChatError, invalidFields, tryAgain } from '../../../chat/errors.ts';
import { redactText } from '../../../platform/redact.ts';
import { Unstorable } from './storable.ts';

/** An operation took longer than it may. What became of it is unknown. */
export class Overdue extends Error {
  override readonly name = 'Overdue';
}

const DUPLICATE = 11_000;

/**
 * What the engine says of the statement and not of itself: bad value, unparsable, wrong type, not valid, too large. The
 * same statement would fare no better later.
 */
const REFUSALS: ReadonlySet<unknown> = new Set([2, 9, 14, 121, 10_334, 17_280, 17_419, 17_420]);

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** Some unique index has it already, and nothing else went wrong. */
export function isDuplicate(error: unknown): boolean {
  if (!(error instanceof mongo.MongoBulkWriteError)) return codeOf(error) === DUPLICATE;
  return error.result.getWriteConcernError() === undefined && writeErrorsOf(error).every((it) => it.code === DUPLICATE);
}

export interface Refusal {
  readonly index: number;
  /** Some unique index has it already. */
  readonly isDuplicate: boolean;
  /** The index of a room's seqs, for certain; engines that do not name the index leave it open. */
  readonly isSeqTaken: boolean;
}

const SEQ_TAKEN = /index: (?:\S*\.\$)?room_1_seq_1\b/;

/**
 * Which documents of a batch were refused; all others that were tried are stored: before the first in an ordered batch, all
 * in another. Undefined when that is not clear.
 */
export function refusalsOf(error: unknown): readonly Refusal[] | undefined {
  if (!(error instanceof mongo.MongoBulkWriteError)) return undefined;
  if (error.result.getWriteConcernError() !== undefined) return undefined;
  const refused = writeErrorsOf(error).map((it) => ({
    index: it.index,
    isDuplicate: it.code === DUPLICATE,
    isSeqTaken: it.code === DUPLICATE && SEQ_TAKEN.test(it.errmsg ?? ''),
  }));
  return refused.length === 0 ? undefined : refused;
}

/** Nothing was stored, and trying again is of no use. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof ChatError ||
    error instanceof Unstorable ||
    error instanceof MongooseError.CastError ||
    error instanceof MongooseError.StrictModeError ||
    error instanceof mongo.MongoInvalidArgumentError ||
    error instanceof mongo.BSON.BSONError ||
    REFUSALS.has(codeOf(error))
  );
}

/** For a while there was no server to send this to. */
export const isUnreachable = (error: unknown): boolean => error instanceof mongo.MongoServerSelectionError;

/** What the caller hears. Whatever is not clear is `try_again`: stored once or not at all. */
export function storeFailure(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  if (error instanceof Unstorable) return invalidFields(error.message);
  if (error instanceof MongooseError.CastError || error instanceof MongooseError.StrictModeError) {
    return invalidFields('a value is of the wrong kind');
  }
  if (isRefusal(error)) {
    return new ChatError('internal', 'the store refused this; nothing was stored', { cause: error });
  }
  return tryAgain('the store', error);
}

/** For logs: no connection string gets out of here whole. */
export const reasonOf = (error: unknown): string =>
  redactText(error instanceof Error ? `${error.name}: ${error.message}` : String(error));

function writeErrorsOf(error: mongo.MongoBulkWriteError): readonly mongo.WriteError[] {
  return [error.writeErrors].flat();
}
