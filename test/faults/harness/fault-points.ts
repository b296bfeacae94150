import { intercept } from '../../support/intercept.ts';
import type { TestChat, TestChatOptions } from '../../support/test-chat.ts';

/** What becomes of a call of a port instead. */
export const FAULTS = ['throws', 'rejects', 'never answers'] as const;
export type Fault = (typeof FAULTS)[number];

/** They answer nothing, and promise never to fail: what goes wrong within them is counted there. */
const SILENT = ['bus.listen', 'bus.publish', 'bus.broadcast', 'bus.unsubscribe', 'limits.refund', 'accounts.forget'];

/** One request or event, whose calls of ports are told apart from all others by what is in their arguments. */
export interface Watched {
  /** Ids of users and rooms that only this one has. */
  readonly marks: readonly string[];
  /** `port.method` of its calls, in order. */
  readonly calls: string[];
  /** The call that goes wrong, counted from 0. */
  readonly at?: number;
  readonly fault?: Fault;
}

/** Stands in front of every port of a chat, where each call may go wrong. */
export class FaultPoints {
  readonly #watched = new Set<Watched>();

  /** For the chat to be opened with. */
  readonly options: Pick<TestChatOptions, 'wrapStore' | 'wrapBus'> = {
    wrapStore: (store) => this.wrap('store', store),
    wrapBus: (bus) => this.wrap('bus', bus),
  };

  /** The other ports of a chat that is open. */
  wrapOthers({ chat }: TestChat): void {
    const { accounts, presence, limits, jobs } = chat;
    Object.assign(chat, {
      accounts: this.wrap('accounts', accounts),
      presence: this.wrap('presence', presence),
      limits: this.wrap('limits', limits),
      jobs: this.wrap('jobs', jobs),
    });
  }

  wrap<T extends object>(port: string, it: T): T {
    return intercept(it, (method, run, args) => {
      const call = `${port}.${String(method)}`;
      if (SILENT.includes(call)) return run();
      const text = JSON.stringify(args);
      const watched = [...this.#watched].find((it) => it.marks.some((mark) => text.includes(mark)));
      if (!watched) return run();
      watched.calls.push(call);
      return watched.calls.length - 1 === watched.at ? go(watched.fault, call, run) : run();
    });
  }

  async watch<T>(watched: Watched, run: () => Promise<T>): Promise<T> {
    this.#watched.add(watched);
    try {
      return await run();
    } finally {
      this.#watched.delete(watched);
    }
  }
}

function go(fault: Fault | undefined, call: string, run: () => unknown): unknown {
  switch (fault) {
    case undefined:
      return run();
    case 'throws':
      throw new Error(`${call} throws`);
    case 'rejects':
      return Promise.reject(new Error(`${call} rejects`));
    case 'never answers':
      return new Promise(() => {});
    default:
      return fault satisfies never;
  }
}
