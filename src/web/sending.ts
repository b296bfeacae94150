import { type Client, type Message, newClientId, type Outgoing } from '../sdk/client.ts';
import type { ChatState, Pending } from './chat-state.ts';
import { explain } from './explain.ts';
import type { Store } from './store.ts';

/** As long as a page may wait for a server that is down, before it asks the person. */
const DEADLINE_MS = 10 * 60_000;
/** A bot that answers later than this is shown all the same; only the waiting line goes. */
const ASKED_MS = 60_000;

/** Own messages between the key press and the room's log: shown at once, sent until stored, kept when that fails. */
export function sending(store: Store<ChatState>, client: Client) {
  const timers = new Set<ReturnType<typeof setTimeout>>();

  const update = (clientId: string, patch: Partial<Pending> | undefined): void => {
    const pending = store.state.pending.flatMap((it) => {
      if (it.clientId !== clientId) return [it];
      return patch === undefined ? [] : [{ ...it, ...patch }];
    });
    store.set({ pending });
  };

  const isShown = (room: string, clientId: string): boolean => {
    const { view, me } = store.state;
    return view?.room === room && view.list.some((it) => it.clientId === clientId && it.owner === me?.user);
  };

  const isAnswered = (room: string, command: string): boolean => {
    const { view } = store.state;
    return view?.room === room && view.list.some((it) => it.inReplyTo === command);
  };

  const transmit = async (message: Pending): Promise<void> => {
    const body: Outgoing = {
      ...(message.image === undefined ? { message: message.text } : { image: message.image }),
      ...(message.inReplyTo === undefined ? {} : { inReplyTo: message.inReplyTo }),
    };
    try {
      const sent = await client.send(message.room, body, { clientId: message.clientId, deadlineMs: DEADLINE_MS });
      if (sent.kind === 'message') {
        // The push takes it out of here; where the room is not shown there is nothing to wait for.
        if (isShown(message.room, message.clientId) || store.state.view?.room !== message.room) {
          update(message.clientId, undefined);
        }
        return;
      }
      if (isAnswered(message.room, sent.id)) {
        update(message.clientId, undefined);
        return;
      }
      update(message.clientId, { phase: 'asked', commandId: sent.id });
      const timer = setTimeout(() => {
        timers.delete(timer);
        const still = store.state.pending.find((it) => it.clientId === message.clientId);
        if (still?.phase === 'asked') update(message.clientId, undefined);
      }, ASKED_MS);
      timers.add(timer);
    } catch (error) {
      if (client.state !== 'closed') update(message.clientId, { phase: 'failed', problem: explain(error) });
    }
  };

  return {
    send(room: string, content: { text: string; image?: string; inReplyTo?: string }): void {
      const message: Pending = {
        clientId: newClientId(),
        room,
        at: new Date().toISOString(),
        phase: 'sending',
        ...content,
      };
      store.set({ pending: [...store.state.pending, message] });
      void transmit(message);
    },

    /** Under the same clientId: should it have been stored after all, it is not stored twice. */
    retry(clientId: string): void {
      const message = store.state.pending.find((it) => it.clientId === clientId);
      if (message?.phase !== 'failed') return;
      const { commandId, problem: _said, ...rest } = message;
      // A command that nobody answered is done; asking again is another one.
      const again: Pending = {
        ...rest,
        phase: 'sending',
        clientId: commandId === undefined ? clientId : newClientId(),
      };
      store.set({ pending: store.state.pending.map((it) => (it === message ? again : it)) });
      void transmit(again);
    },

    discard: (clientId: string): void => update(clientId, undefined),

    /** What the log has now is no longer pending. */
    settle(messages: readonly Message[]): void {
      const { pending, me } = store.state;
      const own = new Set(messages.filter((it) => it.owner === me?.user).map((it) => it.clientId));
      const answered = new Set(messages.map((it) => it.inReplyTo));
      const left = pending.filter(
        (it) => !own.has(it.clientId) && (it.commandId === undefined || !answered.has(it.commandId)),
      );
      if (left.length < pending.length) store.set({ pending: left });
    },

    failed(id: string): void {
      const asked = store.state.pending.find((it) => it.commandId === id);
      if (asked !== undefined) {
        update(asked.clientId, { phase: 'failed', problem: 'No bot has answered. Try again later.' });
      }
    },

    close(): void {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
