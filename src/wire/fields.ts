import { z } from 'zod';

/** No NUL (embedded stores cut there) and no lone surrogate (no two parts of the world would show the same text). */
export const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

export const text = z.string().refine(isText, 'must be well-formed Unicode without NUL');
export const visibleText = text.refine((it) => it.trim() !== '', 'must not be empty or only white space');

/** Any text may be asked for as an id; what is unknown answers 600 or 702. */
export const id = text.min(1).max(128);
export const clientId = text
  .min(1)
  .max(128)
  .describe('Your own name for this message; sending it again gives the first receipt');
export const seq = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
export const time = z.iso.datetime({ precision: 3 }).describe('RFC 3339, UTC, milliseconds');
export const limit = z.int().min(1).describe('How many at most; above the maximum it is clamped');

/** A number as a query string carries it. */
const digits = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);
export const seqText = digits.pipe(seq);
export const limitText = digits.pipe(limit);

export const roomName = text.min(1).max(320).describe('1-80 characters after trimming and NFC');
export const topic = text.max(500);
export const visibility = z.enum(['public', 'private']);
export const slowModeMs = z.int().min(0).max(3_600_000);
export const userName = visibleText.max(80);
