import { invalidFields } from '../errors.ts';

const MAX_CHARACTERS = 80;

/** NFC, trimmed, 1-80 characters, no control characters. */
export function roomName(text: string): string {
  const name = text.normalize('NFC').trim();
  const length = [...name].length;
  if (length < 1 || length > MAX_CHARACTERS) {
    throw invalidFields(`a room's name has 1-${MAX_CHARACTERS} characters`, 'name');
  }
  if (/[\p{Cc}\u2028\u2029]/u.test(name)) throw invalidFields("a room's name has no control characters", 'name');
  return name;
}

/** Names are compared by this: case does not matter. Up first: `ß` has no small form in common with `SS`. */
export const nameKey = (name: string): string => name.toUpperCase().toLowerCase().normalize('NFC');
