import { ParleyError } from '../sdk/client.ts';
import { durationText } from './time.ts';

const ADVICE: Record<string, string> = {
  not_connected: 'You are offline. Try again when the connection is back.',
  invalid_chatroom: 'This room is not there any more, or it is private.',
  cannot_send: 'Join the room to write in it.',
  not_a_member: 'That person is no member of this room.',
  banned: 'You are banned from this room. Ask one of its moderators.',
  too_large: 'That is too large. Make it shorter, or choose a smaller picture.',
  bot_unavailable: 'No bot knows that command. Try /stock=aapl.us or /hello=you; begin with // to send it as text.',
  idempotency_conflict: 'This message was changed while it was sent. Copy its text and send it again.',
  draining: 'The server is restarting. Try again in a moment.',
  try_again: 'The server cannot do that right now. Try again in a moment.',
  account_service: 'Accounts cannot be checked right now. Try again in a moment.',
  duplicate: 'There is a room with this name already. Choose another one.',
  invalid_token: 'Your session has ended. Sign in again.',
  role_required: 'You are not allowed to do that. Ask a moderator or the owner of the room.',
  not_found: 'That is not there any more.',
};

/** What to tell a person, and what they can do. */
export function explain(error: unknown): string {
  if (!(error instanceof ParleyError)) return 'Something went wrong in this page. Reload it and try again.';
  if (error.retryAfterMs !== undefined && (error.code === 'rate_limited' || error.code === 'slow_mode')) {
    return `Not so fast: wait ${durationText(error.retryAfterMs)} and try again.`;
  }
  if (error.data?.status === 412) return 'Somebody else changed the room meanwhile. Look at it again, then save.';
  return ADVICE[error.code] ?? sentence(error.detail);
}

const sentence = (detail: string): string => {
  const trimmed = detail.trim();
  if (trimmed === '') return 'That did not work. Try again.';
  const begun = trimmed.charAt(0).toLocaleUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
};
