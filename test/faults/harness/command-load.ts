import { Agent } from 'node:http';
import type { RawClient } from '../../support/raw-client.ts';
import { expectStatus, rest } from '../../support/rest.ts';
import type { Delay } from './delays.ts';

const TICK_MS = 10;
const AGAIN_MS = 100;
const CONNECTIONS = 16;
const SETTLE_MS = 30_000;

/** A command that was answered with 202; monotonic milliseconds. */
export interface AcceptedCommand {
  readonly id: string;
  readonly plannedAt: number;
  readonly acceptedAt: number;
}

export interface CommandTarget {
  readonly url: string;
  readonly token: string;
  /** Of commands and their answers only. */
  readonly room: string;
  /** A member who keeps the room: it sees the answers. */
  readonly follower: RawClient;
}

/** The number of a command stands in its text, and so in the answer of the sample bot. */
const textOf = (n: number): string => `/hello=${n}`;
const numberOf = (answer: string): number => Number(/^Hello, (\d+)!$/.exec(answer)?.[1] ?? Number.NaN);

/** Commands over REST, each sent again under its clientId until it is accepted, and when each of them was answered. */
export class CommandLoad {
  readonly accepted = new Map<number, AcceptedCommand>();
  /** How often each was seen to be answered, and when first. */
  readonly answered = new Map<number, { readonly at: number; times: number }>();
  /** What put one off: 503 with its `Retry-After`, or a connection that failed; and how often. */
  readonly postponed = new Map<string, number>();
  /** Statuses that no repetition can mend. */
  readonly refusals: string[] = [];
  readonly #target: CommandTarget;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #giveUp = false;

  constructor(target: CommandTarget) {
    this.#target = target;
    target.follower.onLive = ({ message }) => {
      const known = this.answered.get(numberOf(message));
      if (known) known.times += 1;
      else this.answered.set(numberOf(message), { at: performance.now(), times: 1 });
    };
  }

  get sent(): number {
    return this.#sent;
  }

  get unanswered(): number[] {
    return [...this.accepted.keys()].filter((n) => !this.answered.has(n));
  }

  /** Open loop: as many as are due, whatever becomes of the others. */
  start(perSecond: number): void {
    const startedAt = performance.now();
    const before = this.#sent;
    this.#timer = setInterval(() => {
      for (;;) {
        const dueAt = startedAt + ((this.#sent - before) * 1000) / perSecond;
        if (dueAt > performance.now()) return;
        this.#send(dueAt);
      }
    }, TICK_MS);
  }

  /** So many at once. */
  burst(count: number): void {
    for (let n = 0; n < count; n += 1) this.#send(performance.now());
  }

  /** Another command, of which nobody expects an answer; resolves with its id when it is accepted. */
  async sendOther(message: string): Promise<string> {
    const { url, token, room } = this.#target;
    const line = `POST /v1/chat/rooms/${room}/messages`;
    return (await expectStatus(202, rest<{ id: string }>(url, line, { token, body: { message } }))).body.id;
  }

  /** How often the sender was told that nobody answers. */
  failures(): number {
    return this.#target.follower.heard.get('failure') ?? 0;
  }

  pause(): void {
    clearInterval(this.#timer);
  }

  /** Ends sending; resolves when all that were sent are accepted, or given up after a while. */
  async stop(withinMs = SETTLE_MS): Promise<void> {
    this.pause();
    const late = setTimeout(() => {
      this.#giveUp = true;
    }, withinMs);
    await Promise.all(this.#underWay);
    clearTimeout(late);
  }

  close(): void {
    this.pause();
    this.#giveUp = true;
    this.#agent.destroy();
  }

  /** From when a command should have been sent to its answer, of those that should have been sent in that time. */
  delays(from: number, to: number): Delay[] {
    return [...this.accepted].flatMap(([n, { plannedAt }]) => {
      const at = this.answered.get(n)?.at;
      return at === undefined || plannedAt < from || plannedAt >= to ? [] : [{ at: plannedAt, ms: at - plannedAt }];
    });
  }

  #send(plannedAt: number): void {
    const n = this.#sent;
    this.#sent += 1;
    const sending = this.#untilAccepted(n, plannedAt);
    this.#underWay.add(sending);
    void sending.finally(() => this.#underWay.delete(sending));
  }

  async #untilAccepted(n: number, plannedAt: number): Promise<void> {
    const { url, token, room } = this.#target;
    const line = `POST /v1/chat/rooms/${room}/messages`;
    const call = { token, body: { message: textOf(n), clientId: `command ${n}` }, agent: this.#agent };
    while (!this.#giveUp) {
      const answer = await rest<{ id: string }>(url, line, call).catch((cause: Error) => ({ failed: cause.message }));
      let waitMs = AGAIN_MS;
      if ('failed' in answer) this.#putOff(answer.failed);
      else if (answer.status === 202) {
        this.accepted.set(n, { id: answer.body.id, plannedAt, acceptedAt: performance.now() });
        return;
      } else if (answer.status === 503) {
        const after = answer.headers['retry-after'];
        this.#putOff(`503 ${after}`);
        waitMs = Number(after) * 1000;
      } else {
        this.refusals.push(`${answer.status}: ${answer.text}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    this.refusals.push(`command ${n} was never accepted`);
  }

  #putOff(why: string): void {
    this.postponed.set(why, (this.postponed.get(why) ?? 0) + 1);
  }
}
