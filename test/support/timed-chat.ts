import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import type { Chat } from '../../src/chat/chat.ts';
import { ChatError, type ErrorCode } from '../../src/chat/errors.ts';
import { Hub } from '../../src/chat/hub.ts';
import { joinRoom } from '../../src/chat/manage-members.ts';
import { createRoom, type RoomInput } from '../../src/chat/manage-rooms.ts';
import type { Account } from '../../src/chat/model.ts';
import type { NodeEvent } from '../../src/chat/ports/bus.ts';
import type { NewBotCommand } from '../../src/chat/ports/jobs.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { SlidingWindow } from '../../src/chat/sliding-window.ts';
import { FakeClock } from './fake-clock.ts';
import { intercept } from './intercept.ts';
import { PlayedNetwork } from './played-network.ts';
import { openTestChat, type TestChat, type TestChatOptions } from './test-chat.ts';

/** What happens to a call of the store: it may wait, fail before or after it ran, or never run. */
export type StoreTrouble = (method: keyof Store, run: () => Promise<unknown>) => Promise<unknown>;

export interface TimedChat {
  readonly test: TestChat;
  readonly clock: FakeClock;
  readonly network: PlayedNetwork;
  /** Nodes of one chat: the store, the limits and the queue are common. */
  readonly nodes: readonly [Chat, ...Chat[]];
  readonly chat: Chat;
  /** Assigned by a test that wants the store to behave badly. */
  trouble: StoreTrouble;
  /** Throws when a command cannot be queued. */
  queue: (command: NewBotCommand) => Promise<void>;
  readonly queued: NewBotCommand[];
  /** Who was told what on one node, newest last. */
  readonly heard: NodeEvent[];
  readonly close: () => Promise<void>;
}

export const accountOf = (user: string, facts: Partial<Account> = {}): Account => ({
  user,
  type: 1,
  name: `Name of ${user}`,
  roles: ['user'],
  ...facts,
});

export const adminOf = (user: string): Account => accountOf(user, { roles: ['user', 'admin'] });

/** The use cases on a real store with a clock that tests turn, on as many nodes as asked for. */
export async function openTimedChat(options: TestChatOptions & { nodes?: number } = {}): Promise<TimedChat> {
  const runs: StoreTrouble = (_method, run) => run();
  const timed: { trouble: StoreTrouble; queue: (command: NewBotCommand) => Promise<void> } = {
    trouble: runs,
    queue: async (command) => void queued.push(command),
  };
  const test = await openTestChat(options);
  const clock = new FakeClock(Date.now());
  const network = new PlayedNetwork(clock);
  const window = new SlidingWindow();
  const queued: NewBotCommand[] = [];
  const heard: NodeEvent[] = [];
  const store = intercept(test.chat.store, (method, run) => timed.trouble(method, async () => run()));
  const openNode = (): Chat => ({
    ...test.chat,
    store,
    clock,
    hub: new Hub({ bus: network.join(), store, clock, log: test.log, repaired: () => {} }),
    jobs: { publish: (command) => timed.queue(command), replies: async () => {} },
    limits: {
      take: async (key, rate) => window.take(key, rate, clock.now()),
      refund: (key) => window.refund(key),
    },
  });
  const chat = openNode();
  const others = Array.from({ length: (options.nodes ?? 1) - 1 }, openNode);
  chat.hub.listen({ onRoom: () => {}, onNode: (event) => void heard.push(event) });
  return Object.assign(timed, {
    test,
    clock,
    network,
    nodes: [chat, ...others] as const,
    chat,
    queued,
    heard,
    close: async () => {
      for (const node of [chat, ...others]) node.hub.feeds.close();
      await test.close();
    },
  });
}

/** A new room of `owner` with members; resolves with its id. */
export async function roomOf(
  chat: Chat,
  owner: Account,
  members: readonly Account[] = [],
  input: Partial<RoomInput> = {},
): Promise<string> {
  const { room } = await createRoom(chat, owner, { name: `Room ${randomUUID()}`, ...input });
  for (const member of members) await joinRoom(chat, member, room.id);
  return room.id;
}

/** Expects a refusal; resolves with it. */
export async function refusal(code: ErrorCode, call: Promise<unknown>): Promise<ChatError> {
  const cause = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(cause instanceof ChatError, `${code} was expected and not ${String(cause)}`);
  assert.equal(cause.code, code, cause.message);
  return cause;
}
