import { within } from '../platform/within.ts';
import { ChatError } from './errors.ts';

/** Callers are promised an answer within 5 s; what a part of the chat has to say by its own deadline comes first. */
const ANSWER_MS = 4800;

const late = (): ChatError =>
  new ChatError('try_again', 'no answer in time; it may still be done: send the same again', { retryAfterMs: 1000 });

/**
 * Whatever an edge asks for a client goes through here, so that nothing that never ends keeps a client waiting. What is
 * late is not stopped: its outcome is unknown, as with a store that does not answer. `usedMs` is gone already.
 */
export const answerInTime = <T>(work: T | PromiseLike<T>, usedMs = 0): Promise<T> =>
  within(ANSWER_MS - usedMs, Promise.resolve(work), late);
