/**
 * The closed table of everything that can go wrong at an edge. The numbers up to 604 and from 701 are those of the
 * earlier chat server, whose clients compare them; REST statuses, socket acks and documents all read this one table.
 *
 * `status` lists what REST may answer (the first is the default), `retry` tells a client that the same call may
 * succeed later without change, `title` is the one-line meaning.
 */
export const ERRORS = {
  internal: { error: 500, status: [500], retry: false, title: 'Something broke on our side' },
  invalid_chatroom: { error: 600, status: [404], retry: false, title: 'No such room' },
  receiver_required: { error: 601, status: [400], retry: false, title: 'A room is required' },
  cannot_send: { error: 602, status: [403], retry: false, title: 'Only members may send to this room' },
  not_connected: { error: 603, status: [409], retry: false, title: 'The socket is not connected to a room' },
  history: { error: 604, status: [500], retry: false, title: 'The history could not be read' },
  not_a_member: { error: 605, status: [403, 404], retry: false, title: 'Not a member of this room' },
  banned: { error: 606, status: [403], retry: false, title: 'Banned from this room' },
  slow_mode: { error: 607, status: [429], retry: true, title: 'The room is in slow mode' },
  idempotency_conflict: { error: 608, status: [422], retry: false, title: 'This clientId was used with another body' },
  too_large: { error: 609, status: [413], retry: false, title: 'Too large' },
  draining: { error: 610, status: [503], retry: true, title: 'This worker is shutting down' },
  bot_unavailable: { error: 611, status: [404], retry: false, title: 'No bot answers this command' },
  try_again: { error: 612, status: [503], retry: true, title: 'A part the server depends on is away' },
  rate_limited: { error: 429, status: [429], retry: true, title: 'Too many requests' },
  invalid_operation: { error: 701, status: [400, 405, 412], retry: false, title: 'Not a valid operation' },
  not_found: { error: 702, status: [404], retry: false, title: 'Not found' },
  duplicate: { error: 703, status: [409], retry: false, title: 'The name is taken' },
  invalid_fields: { error: 704, status: [400, 415], retry: false, title: 'Some fields are not valid' },
  invalid_token: {
    error: 1000,
    status: [401],
    retry: false,
    title: 'The token is missing, invalid, expired or revoked',
  },
  invalid_credentials: { error: 1001, status: [401], retry: false, title: 'The credentials are not valid' },
  role_required: { error: 1002, status: [403], retry: false, title: 'A role is missing for this' },
  account_service: { error: 1003, status: [503], retry: true, title: 'The account service is away' },
} as const satisfies Record<
  string,
  { error: number; status: readonly [number, ...number[]]; retry: boolean; title: string }
>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorExtras {
  /** One of the row's statuses; the row's first when absent. */
  readonly status?: number;
  /** When the call is worth repeating, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Public facts for the caller, e.g. `{ fields: [...] }`; never secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The only error that edges translate; everything else is `internal` and logged. `message` is public: it says what to do. */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, detail: string, extras: ErrorExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.status = extras.status ?? ERRORS[code].status[0];
    this.retryAfterMs = extras.retryAfterMs;
    this.data = extras.data;
  }

  /** The earlier server's number of this error. */
  get error(): number {
    return ERRORS[this.code].error;
  }

  get retry(): boolean {
    return ERRORS[this.code].retry;
  }
}

export const invalidFields = (detail: string, ...fields: string[]): ChatError =>
  new ChatError('invalid_fields', detail, { data: { fields } });

export const invalidCursor = (): ChatError => invalidFields('cursor must be `next` of an earlier answer', 'cursor');

export const idempotencyConflict = (): ChatError =>
  new ChatError('idempotency_conflict', 'this clientId was used with another body; choose a new one');

export const noSuchRoom = (): ChatError => new ChatError('invalid_chatroom', 'there is no room with this id');

/** For a dependency that is away: the caller may send the same again. */
export const tryAgain = (what: string, cause?: unknown): ChatError =>
  new ChatError('try_again', `${what} is away at the moment; send the same again`, { retryAfterMs: 1000, cause });

interface PackedError {
  readonly code?: ErrorCode;
  readonly detail: string;
  readonly status?: number;
  readonly retryAfterMs?: number | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** For the log of the process that asked: the one that failed does not write it. */
  readonly cause?: string | undefined;
}

/** Errors as they cross between processes: a {@link ChatError} arrives as one, anything else as a plain Error. */
export const errorCodec = {
  pack(error: unknown): PackedError {
    if (error instanceof ChatError) {
      const { code, message: detail, status, retryAfterMs, data } = error;
      return { code, detail, status, retryAfterMs, data, cause: textOf(error.cause) };
    }
    return { detail: error instanceof Error ? error.message : String(error), cause: textOf(error) };
  },
  unpack(packed: unknown): Error {
    const { code, detail, status, retryAfterMs, data, cause } = packed as PackedError;
    if (code === undefined) return new Error(detail, cause === undefined ? undefined : { cause });
    return new ChatError(code, detail, {
      ...(status === undefined ? {} : { status }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(data === undefined ? {} : { data }),
      cause,
    });
  },
};

function textOf(cause: unknown): string | undefined {
  if (cause === undefined) return undefined;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
