import { errorCodec, tryAgain } from '../chat/errors.ts';
import type { LinkOptions } from '../platform/link.ts';

/** The store promises an answer within 5 s: a process that says nothing for that long is taken for away. */
const DEADLINE_MS = 4500;

export const linkOptions: LinkOptions = {
  errors: errorCodec,
  deadlineMs: DEADLINE_MS,
  away: () => tryAgain('the main process'),
};
