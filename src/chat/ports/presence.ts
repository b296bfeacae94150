import type { UserId } from '../model.ts';

/**
 * Which users have a socket anywhere: a record per (user, node) that goes with its node. Never asks other nodes.
 */
export interface Presence {
  /** The user's first socket on this node has come. Resolves true when the user was offline everywhere. */
  enter(user: UserId): Promise<boolean>;
  /** The user's last socket on this node has gone. Resolves true when the user is now offline everywhere. */
  exit(user: UserId): Promise<boolean>;
  /** Those of `users` who are online. `stale` when the answer may be old. */
  online(users: readonly UserId[]): Promise<{ users: Set<UserId>; stale: boolean }>;
  /** Users who went offline with a node that died; heard by every remaining node. */
  onGone(listener: (users: UserId[]) => void): void;
}
