import { z } from 'zod';
import { EXAMPLES } from './examples.ts';

/** No NUL (embedded stores cut there) and no lone surrogate (no two parts of the world would show the same text). */
export const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

export const text = z.string().refine(isText, 'must be well-formed Unicode without NUL');
export const visibleText = text.refine((it) => it.trim() !== '', 'must not be empty or only white space');

/** Any text may be asked for as an id; what is unknown answers 600 or 702. */
export const id = text
  .min(1)
  .max(128)
  .meta({ examples: [EXAMPLES.roomId] });
export const userId = id.meta({ examples: [EXAMPLES.user] });
export const messageId = id.meta({ examples: [EXAMPLES.messageId] });
export const clientId = text
  .min(1)
  .max(128)
  .meta({
    description: 'Your own name for this message; sending it again gives the first receipt',
    examples: [EXAMPLES.clientId],
  });
export const seq = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .meta({ examples: [42] });
export const time = z.iso
  .datetime({ precision: 3 })
  .meta({ description: 'RFC 3339, UTC, milliseconds', examples: [EXAMPLES.time] });
export const epoch = z.string().meta({ examples: [EXAMPLES.epoch] });
export const rev = z.int().meta({ examples: [3] });
export const limit = z
  .int()
  .min(1)
  .meta({ description: 'How many at most; above the maximum it is clamped', examples: [50] });

/** A number as a query string carries it. */
const digits = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);
export const seqText = digits.pipe(seq);
export const limitText = digits.pipe(limit);

export const roomName = text
  .min(1)
  .max(320)
  .meta({ description: '1-80 characters after trimming and NFC', examples: ['Lobby'] });
export const topic = text.max(500).meta({ examples: ['Everything and nothing'] });
export const visibility = z.enum(['public', 'private']);
export const slowModeMs = z
  .int()
  .min(0)
  .max(3_600_000)
  .meta({ examples: [0] });
/** A name as it is shown; the account service made it. */
export const shownName = z.string().meta({ examples: ['Ann'] });
export const userName = visibleText.max(80).meta({ examples: ['Ann'] });
