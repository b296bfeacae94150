import type { Chat } from '../chat/chat.ts';
import type { Typing } from '../chat/typing.ts';
import type { ClientEvent, DoneAckOf, ParsedOf } from '../wire/socket.ts';
import type { Session } from './session.ts';

export interface EventContext {
  readonly chat: Chat;
  readonly typing: Typing;
  /** Sends what rooms hold back: an answer that says where a room stands goes out behind all of it. */
  readonly flush: () => void;
  /** Watches the session's new token instead, and tells the client who it is. */
  readonly renewToken: (session: Session, token: string) => void;
}

/**
 * One client event. `reply` sends the ack at once: an answer that says where a room stands must go out in the turn in
 * which it was formed.
 */
export type EventHandler<E extends ClientEvent> = (
  context: EventContext,
  session: Session,
  payload: ParsedOf<E>,
  reply: (answer: DoneAckOf<E>) => void,
) => Promise<void>;
