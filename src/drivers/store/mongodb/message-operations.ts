import type { EntryDocument } from './documents.ts';
import type { Operation } from './room-turns.ts';

/** Raises the room's rev and gives it to the message; an image that becomes text loses its bytes. */
export const editMessage = (id: string, text: string, type: 1 | 2): Operation<EntryDocument | undefined> => ({
  message: id,
  bytes: text.length * 3,
  run: (turn) => {
    const known = turn.message(id);
    return known === undefined || known.deleted === true ? undefined : turn.change(known, { text, type });
  },
});

export const deleteMessage = (id: string): Operation<EntryDocument | undefined> => ({
  message: id,
  run: (turn) => {
    const known = turn.message(id);
    return known === undefined || known.deleted === true ? known : turn.change(known);
  },
});
