import type { Store } from '../../../chat/ports/store.ts';
import type { GuardedDatabase } from './guarded-database.ts';
import { addMember, ban, markRead, removeMember, setRole, unban } from './member-writes.ts';
import {
  append,
  deleteMessage,
  dropCommands,
  editMessage,
  giveUpCommand,
  putCommand,
  revoke,
  trim,
} from './message-writes.ts';
import { createRoom, deleteRoom, patchRoom } from './room-writes.ts';

export type WriteName =
  | 'createRoom'
  | 'patchRoom'
  | 'deleteRoom'
  | 'addMember'
  | 'setRole'
  | 'removeMember'
  | 'ban'
  | 'unban'
  | 'append'
  | 'editMessage'
  | 'deleteMessage'
  | 'trim'
  | 'markRead'
  | 'putCommand'
  | 'giveUpCommand'
  | 'dropCommands'
  | 'revoke';

/** A write as plain data, the arguments those of the port: it may cross to another process by structured clone. */
export interface WriteOf<N extends WriteName> {
  readonly name: N;
  readonly args: Parameters<Store[N]>;
}
export type Write = { [N in WriteName]: WriteOf<N> }[WriteName];
export type ResultOf<N extends WriteName> = Awaited<ReturnType<Store[N]>>;

/** Hands a write to the one writer, here or in another process. Rejects as the port says. */
export type Submit = <N extends WriteName>(write: WriteOf<N>) => Promise<ResultOf<N>>;

/**
 * Every write of the port, to be run inside a transaction. Each throws its {@link ChatError} before it has changed
 * anything, so that a refused one leaves the other writes of its transaction alone.
 */
export const WRITE_OPERATIONS: {
  readonly [N in WriteName]: (db: GuardedDatabase, ...args: Parameters<Store[N]>) => ResultOf<N>;
} = {
  createRoom,
  patchRoom,
  deleteRoom,
  addMember,
  setRole,
  removeMember,
  ban,
  unban,
  append,
  editMessage,
  deleteMessage,
  trim,
  markRead,
  putCommand,
  giveUpCommand,
  dropCommands,
  revoke,
};

export const runWrite = <N extends WriteName>(db: GuardedDatabase, write: WriteOf<N>): ResultOf<N> =>
  WRITE_OPERATIONS[write.name](db, ...write.args);
