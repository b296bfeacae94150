import { dayOf } from './time.ts';

const GROUP_MS = 5 * 60_000;

interface Placed {
  readonly owner: string;
  readonly createdAt: string;
  readonly inReplyTo?: string | undefined;
  readonly bot?: { readonly name: string } | undefined;
}

export const startsDay = (message: Placed, before: Placed | undefined): boolean =>
  before === undefined || dayOf(message.createdAt) !== dayOf(before.createdAt);

/** Whether a message needs no name and picture of its own, because the one before it has them. */
export function continues(message: Placed, before: Placed | undefined): boolean {
  if (before === undefined || startsDay(message, before)) return false;
  if (message.owner !== before.owner || message.bot?.name !== before.bot?.name) return false;
  if (message.inReplyTo !== undefined) return false;
  return Date.parse(message.createdAt) - Date.parse(before.createdAt) < GROUP_MS;
}
