import type { z } from 'zod';
import { answerInTime } from '../chat/answer-in-time.ts';
import { ChatError, ERRORS, type ErrorCode } from '../chat/errors.ts';
import { inputError } from '../chat/input-error.ts';
import { CLIENT_EVENTS, type ClientEvent, type FailedAck } from '../wire/socket.ts';
import type { EventContext, EventHandler } from './event-context.ts';
import { EVENT_HANDLERS } from './events/index.ts';
import type { Session } from './session.ts';

interface BoundEvent {
  readonly name: ClientEvent;
  readonly run: (
    context: EventContext,
    session: Session,
    payload: unknown,
    reply: (answer: unknown) => void,
  ) => Promise<void>;
}

function bind<E extends ClientEvent>(name: E, handler: EventHandler<E>): BoundEvent {
  const schema: z.ZodType = CLIENT_EVENTS[name].payload;
  return {
    name,
    run: (context, session, payload, reply) => {
      const parsed = schema.safeParse(payload);
      if (!parsed.success) throw inputError(parsed.error.issues, 'payload');
      // The schema of E's row made it: what it accepts is ParsedOf<E>.
      return handler(context, session, parsed.data as Parameters<EventHandler<E>>[2], reply);
    },
  };
}

const names = Object.keys(CLIENT_EVENTS) as ClientEvent[];
// A Map: event names come from outside, and an object would also know `constructor`.
const EVENTS: ReadonlyMap<string, BoundEvent> = new Map(
  names.flatMap((name) => {
    const row = CLIENT_EVENTS[name];
    const bound = bind(name, EVENT_HANDLERS[name] as EventHandler<ClientEvent>);
    return [name, ...('aliases' in row ? row.aliases : [])].map((it): [string, BoundEvent] => [it, bound]);
  }),
);

type Reply = (answer: unknown) => void;
const isReply = (it: unknown): it is Reply => typeof it === 'function';

/**
 * Runs whatever a client emitted. The ack is answered exactly once, with an error of the table where something is wrong;
 * a call without an ack that fails gets a `failure` event; nothing a client sends can throw past here.
 */
export async function dispatchEvent(
  context: EventContext,
  session: Session,
  event: string,
  args: readonly unknown[],
  observe: (event: string, code: ErrorCode | 'ok') => void,
): Promise<void> {
  const last = args.at(-1);
  const ack = isReply(last) ? last : undefined;
  const payload = ack && args.length === 1 ? undefined : args[0];
  const bound = EVENTS.get(event);
  let answered = false;
  const reply = (answer: unknown): void => {
    if (!answered) ack?.(answer);
    answered = true;
  };
  try {
    if (!bound) throw new ChatError('invalid_operation', 'there is no such event');
    if (session.expired && bound.name !== 'authenticate') {
      throw new ChatError('invalid_token', 'the token has run out; renew it with authenticate');
    }
    await answerInTime(bound.run(context, session, payload ?? {}, reply));
    observe(bound.name, 'ok');
  } catch (cause) {
    const error = toChatError(cause);
    observe(bound?.name ?? 'unknown', error.code);
    if (error.code === 'internal') context.chat.log.error('an event failed', { event: bound?.name, cause });
    if (ack) reply(failedAck(error));
    else {
      const { code, message: detail } = error;
      session.socket.emit('failure', { event: event.slice(0, 64), error: error.error, code, detail });
    }
  }
}

export const toChatError = (cause: unknown): ChatError =>
  cause instanceof ChatError ? cause : new ChatError('internal', ERRORS.internal.title, { cause });

export const failedAck = (error: ChatError): FailedAck => ({
  error: error.error,
  code: error.code,
  detail: error.message,
  ...(error.retry ? { retry: true } : {}),
  ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(error.retryAfterMs) }),
  ...(error.data === undefined ? {} : { data: { ...error.data } }),
});
