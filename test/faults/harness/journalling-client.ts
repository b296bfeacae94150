import { setTimeout as sleep } from 'node:timers/promises';
import { type RawAck, RawClient } from '../../support/raw-client.ts';
import { plannedAt } from '../../support/steady-sender.ts';
import type { Answer, ClientJournal, Delivery, LoadEvent, Member } from './load-plan.ts';
import { monotonicMs } from './monotonic-ms.ts';

/** Of Socket.IO's own client by default: a second, then two, then four, then five, each give or take a half. */
const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 5000;
/** Before a send that was put off is made again; the sender waits as long by itself. */
const SENDER_WAITS_MS = 100;

interface Surroundings {
  readonly url: string;
  readonly catchesUp: boolean;
  readonly tell: (event: LoadEvent) => void;
  /** By clientId: the worker that each message was sent to, of all clients. */
  readonly sentTo: Map<string, string>;
}

/** A client of the load: tells how each attempt to send ended, when it was cut off and when it was back. */
export class JournallingClient extends RawClient {
  readonly #member: Member;
  readonly #around: Surroundings;
  readonly #live: ClientJournal['applied'][number][] = [];
  readonly #deliveries: Delivery[] = [];
  #isComing = false;

  constructor(member: Member, around: Surroundings) {
    super(around.url, member.token, member.name, [member.room]);
    this.#member = member;
    this.#around = around;
    this.onLive = (message) => {
      if (!around.catchesUp) this.#live.push(message);
      const from = around.sentTo.get(message.clientId ?? '');
      const sinceDueMs = performance.now() - plannedAt(message.message);
      this.#deliveries.push([monotonicMs(), sinceDueMs, from !== undefined && from !== this.node]);
    };
    this.onCut = () => {
      around.tell({ kind: 'cut', at: monotonicMs(), client: this.name, node: this.node });
      this.node = '';
      void this.#comeBack();
    };
  }

  get room(): string {
    return this.#member.room;
  }

  get isHere(): boolean {
    return this.isIn && !this.#isComing;
  }

  /** The first time: at once, and again until it is in. */
  async comeIn(): Promise<void> {
    while (!(await this.#tryOnce())) await sleep(FIRST_WAIT_MS * Math.random());
  }

  /** One attempt; resolves when the next one may be made. */
  override async send(room: string, message: string, clientId: string): Promise<RawAck | undefined> {
    if (!this.isIn) return undefined; // nothing went out
    const { node } = this;
    const startedAt = performance.now();
    this.#around.sentTo.set(clientId, node);
    const ack: (RawAck & { readonly retryAfterMs?: number }) | undefined = await super.send(room, message, clientId);
    const endedAt = performance.now();
    this.#around.tell({
      kind: 'answer',
      at: monotonicMs(),
      client: this.name,
      node,
      clientId,
      outcome: outcomeOf(ack),
      tookMs: endedAt - startedAt,
      sinceDueMs: endedAt - plannedAt(message),
    });
    if (ack?.retryAfterMs !== undefined) await sleep(ack.retryAfterMs - SENDER_WAITS_MS);
    return ack;
  }

  journal(): ClientJournal {
    const { acked, applied = [], faults } = this.witnessOf(this.room);
    const { catchesUp } = this.#around;
    return {
      name: this.name,
      room: this.room,
      acked,
      applied: (catchesUp ? applied : this.#live).map(({ id, seq, message, clientId }) => ({
        id,
        seq,
        message,
        clientId,
      })),
      faults: catchesUp ? faults : [],
      deliveries: this.#deliveries,
    };
  }

  async #comeBack(): Promise<void> {
    if (this.#isComing) return; // cut again on its way
    this.#isComing = true;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
      await sleep(waitMs * (0.5 + Math.random()));
      if (await this.#tryOnce()) break;
    }
    this.#isComing = false;
    this.#around.tell({ kind: 'back', at: monotonicMs(), client: this.name, node: this.node });
  }

  async #tryOnce(): Promise<boolean> {
    if ((await this.connect()) !== 'in') return false;
    return !this.#around.catchesUp || (await this.catchUp());
  }
}

function outcomeOf(ack: RawAck | undefined): Answer['outcome'] {
  if (ack === undefined) return 'unknown';
  if (ack.error === 0) return 'acked';
  return ack.retry === true ? 'retry' : 'refused';
}
