import { Agent } from 'node:http';
import { eventually } from '../../support/eventually.ts';
import { createGuest, createRoom, expectStatus, type Guest, rest } from '../../support/rest.ts';

const USERS = 10;
const TICK_MS = 20;
const SETTLE_MS = 30_000;
/** Of a leave whose first answer was lost. */
const NOT_A_MEMBER = 605;

/** Users who join a room and leave it again, at a fixed rate. */
export class MemberChurn {
  readonly counts = { joins: 0, leaves: 0, unclear: 0, skipped: 0 };
  /** Answers that neither a fault nor a repetition explains. */
  readonly refusals: string[] = [];
  readonly #url: string;
  readonly #room: string;
  readonly #owner: Guest;
  readonly #users: readonly Guest[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  readonly #busy = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(url: string, room: string, owner: Guest, users: readonly Guest[]) {
    this.#url = url;
    this.#room = room;
    this.#owner = owner;
    this.#users = users;
  }

  static async start(url: string, perSecond: number): Promise<MemberChurn> {
    const owner = await createGuest(url, 'Owner of the churn');
    const room = await createRoom(url, owner.token, 'Churn');
    const users: Guest[] = [];
    for (let n = 0; n < USERS; n += 1) users.push(await createGuest(url, `Churn ${n}`));
    const churn = new MemberChurn(url, room, owner, users);
    churn.#start(perSecond);
    return churn;
  }

  #start(perSecond: number): void {
    const startedAt = performance.now();
    let begun = 0;
    this.#timer = setInterval(() => {
      for (; begun < ((performance.now() - startedAt) * perSecond) / 1000; begun += 1) {
        const user = this.#users[begun % USERS];
        const joins = Math.floor(begun / USERS) % 2 === 0;
        if (!user) continue;
        if (this.#busy.has(user.user)) this.counts.skipped += 1;
        else void this.#step(user, joins);
      }
    }, TICK_MS);
  }

  async #step(user: Guest, joins: boolean): Promise<void> {
    this.#busy.add(user.user);
    const answer = await this.#ask(user, joins).catch(() => undefined);
    this.#busy.delete(user.user);
    if (answer === undefined || answer.status === 503) this.counts.unclear += 1;
    else if (answer.status < 300) this.counts[joins ? 'joins' : 'leaves'] += 1;
    else if (joins || answer.body?.error !== NOT_A_MEMBER) this.refusals.push(`${answer.status}: ${answer.text}`);
  }

  #ask({ token }: Guest, joins: boolean) {
    const line = `${joins ? 'PUT' : 'DELETE'} /v1/chat/rooms/${this.#room}/members/me`;
    return rest<{ error?: number } | undefined>(this.#url, line, { token, agent: this.#agent });
  }

  /** Ends it, then has everybody join and everybody leave: resolves with what is wrong with the lists of members then. */
  async stop(): Promise<string[]> {
    this.close();
    // A leave that is under way may come after the join below.
    await eventually('nobody joins or leaves any more', () => this.#busy.size === 0, SETTLE_MS);
    const wrong: string[] = [...this.refusals];
    for (const joins of [true, false]) {
      for (const user of this.#users) {
        const isDone = async () => {
          const { status, body } = await this.#ask(user, joins);
          return status < 300 || (!joins && body?.error === NOT_A_MEMBER);
        };
        await eventually(`${user.name} ${joins ? 'joins' : 'leaves'}`, isDone, SETTLE_MS);
      }
      const line = `GET /v1/chat/rooms/${this.#room}/members`;
      const { token } = this.#owner;
      const { body } = await expectStatus(200, rest<{ users: unknown[] }>(this.#url, line, { token }));
      const wanted = joins ? USERS + 1 : 1;
      if (body.users.length !== wanted) wrong.push(`${body.users.length} members instead of ${wanted}`);
    }
    this.#agent.destroy();
    return wrong;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
