/** What is compared of a message: enough to tell any two apart. */
export interface LoggedMessage {
  readonly id: string;
  readonly seq: number;
  readonly message: string;
  readonly clientId?: string | undefined;
}

export interface CaughtUpPage<M extends LoggedMessage = LoggedMessage> {
  readonly messages: readonly M[];
  readonly headSeq: number;
  readonly hasMore: boolean;
}

/**
 * What one client has applied of one room, by the rules every client may rely on: pages continue the cursor; while a
 * page is asked for, live messages are held back; after the last page the next live one is its head + 1; live messages
 * of one connection have no gaps; what comes twice is the same. Whatever breaks a rule is kept as a fault.
 */
export class RoomJournal<M extends LoggedMessage = LoggedMessage> {
  readonly applied: M[] = [];
  readonly faults: string[] = [];
  /** How many came live and how many by catching up. */
  readonly counts = { live: 0, caughtUp: 0 };
  #held: M[] | undefined = [];
  #lastLive: number | undefined;

  get cursor(): number {
    return this.applied.at(-1)?.seq ?? 0;
  }

  /** A new connection: live messages begin anew, and wait until this client has caught up. */
  beginConnection(): void {
    this.#lastLive = undefined;
    this.#held = [];
  }

  live(message: M): void {
    if (this.#lastLive !== undefined && message.seq !== this.#lastLive + 1) {
      this.faults.push(`live ${message.seq} came after live ${this.#lastLive}`);
    }
    this.#lastLive = message.seq;
    if (this.#held) this.#held.push(message);
    else this.#apply(message, 'live');
  }

  caughtUp({ messages, headSeq, hasMore }: CaughtUpPage<M>): void {
    for (const message of messages) this.#apply(message, 'caughtUp');
    if (hasMore) return;
    if (this.cursor !== headSeq) {
      this.faults.push(`caught up to ${this.cursor} when the head was said to be ${headSeq}`);
    }
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#apply(message, 'live');
  }

  #apply(message: M, way: 'live' | 'caughtUp'): void {
    const { cursor } = this;
    if (message.seq === cursor + 1) {
      this.applied.push(message);
      this.counts[way] += 1;
    } else if (message.seq > cursor) this.faults.push(`${way} ${message.seq} came where ${cursor + 1} was due`);
    else if (this.applied[message.seq - 1]?.id !== message.id) {
      this.faults.push(`${way} ${message.seq} came with two ids`);
    }
  }
}
