import type { FailedAck } from '../wire/socket.ts';

export interface ParleyProblem {
  /** The number of the server's closed table: 600 unknown room, 607 slow mode, 1000 bad token … */
  readonly error: number;
  /** The same as a word, e.g. `not_a_member`. */
  readonly code: string;
  /** One sentence that may be shown to a person. */
  readonly detail: string;
  /** The same call may succeed later without change. */
  readonly retry?: boolean | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * What every rejected call of the client carries. `unknown` says that no answer came: the call was done once or not
 * at all, and a message may be sent again under the same {@link ParleyError.clientId} without being stored twice.
 */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';
  readonly error: number;
  readonly code: string;
  readonly detail: string;
  readonly retry: boolean;
  readonly retryAfterMs: number | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly unknown: boolean;
  /** Of the message that was not acknowledged. */
  readonly clientId: string | undefined;

  constructor(
    problem: ParleyProblem,
    more: { unknown?: boolean; clientId?: string | undefined; cause?: unknown } = {},
  ) {
    super(problem.detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.error = problem.error;
    this.code = problem.code;
    this.detail = problem.detail;
    this.retry = problem.retry ?? false;
    this.retryAfterMs = problem.retryAfterMs;
    this.data = problem.data;
    this.unknown = more.unknown ?? false;
    this.clientId = more.clientId;
  }

  /** The same error, naming the message it is about. */
  of(clientId: string): ParleyError {
    return new ParleyError(this, { unknown: this.unknown, clientId, cause: this.cause });
  }
}

export const refused = (ack: FailedAck): ParleyError => new ParleyError(ack);

/** No answer: the connection went, or the time ran out. */
export const unanswered = (detail: string): ParleyError =>
  new ParleyError({ error: 612, code: 'try_again', detail, retry: true }, { unknown: true });

/** Nothing was sent: there was no connection until the deadline. */
export const notConnected = (detail: string): ParleyError =>
  new ParleyError({ error: 603, code: 'not_connected', detail, retry: true });

export const clientClosed = (): ParleyError =>
  new ParleyError({ error: 603, code: 'not_connected', detail: 'this client was closed' });

export const tokenRefused = (detail: string, error = 1000, code = 'invalid_token'): ParleyError =>
  new ParleyError({ error, code, detail });
