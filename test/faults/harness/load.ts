import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../support/eventually.ts';
import type { TestBed } from '../../support/test-bed.ts';
import type { Answer, Back, ClientJournal, Cut, FromLoad, LoadPlan, LoadSummary, ToLoad } from './load-plan.ts';
import { LONG, PATIENCE } from './patience.ts';

export interface LoadSize {
  readonly clients: number;
  readonly rooms: number;
  readonly perSecond: number;
}

/** The standard load. */
export const STANDARD_LOAD: LoadSize = LONG
  ? { clients: 200, rooms: 20, perSecond: 100 }
  : { clients: 40, rooms: 5, perSecond: 40 };
/** On MongoDB: the engine of the tests takes 12 ms for a write and 3 ms for a read, one after the other. */
export const PRODUCTION_LOAD: LoadSize = { clients: 40, rooms: 5, perSecond: 20 };

const START_MS = 60_000;
const STOP_MS = 60_000;
const BACK_MS = 30_000;
/** Above this the load measured itself. */
export const LOOP_DELAY_MS = 100 * PATIENCE;

export interface LoadResult extends LoadSummary {
  readonly journals: readonly ClientJournal[];
}

/**
 * A load of real clients in a process of its own, with everything that happens to them as it happens. Use:
 *
 *     const { server } = await startEmbedded(bed);                       // set-ups.ts
 *     const chat = await prepareChat(server.url, STANDARD_LOAD);         // guests, rooms, memberships
 *     const load = await Load.start(bed, { url: server.url, members: chat.members, perSecond: 40, catchesUp: true });
 *     …the fault; `load.answers`, `load.cuts`, `load.backs` tell what the clients see of it, by monotonicMs()…
 *     await load.everybodyBack();
 *     const result = await load.stop();                                  // rejects with `void: …`
 *     const verdict = await judge(server.url, chat, result);             // judge.ts
 *
 * then `recordFigures`, and only then the assertions, so that a run that fails shows its figures too. `underLoad` does all of
 * it for the standard load.
 */
export class Load {
  readonly answers: Answer[] = [];
  readonly cuts: Cut[] = [];
  readonly backs: Back[] = [];
  readonly #journals: ClientJournal[] = [];
  readonly #child: ChildProcess;
  /** Clients that were cut off and are not back. */
  readonly #away = new Set<string>();
  #isIn = false;
  #summary: LoadSummary | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: FromLoad) => this.#take(message));
  }

  /** Resolves when all clients are in and the first message is on its way. */
  static async start(bed: TestBed, plan: LoadPlan): Promise<Load> {
    const loader = fileURLToPath(new URL('../../support/typescript-loader.js', import.meta.url));
    const program = fileURLToPath(new URL('./load-child.ts', import.meta.url));
    const child = fork(program, [], { execArgv: ['--import', loader] });
    const load = bed.own(new Load(child), (it) => it.#end());
    load.#send({ kind: 'start', plan });
    await eventually('the load runs', () => load.#isIn || load.#hasEnded, START_MS);
    if (load.#hasEnded) throw new Error('the process of the load has ended');
    return load;
  }

  get away(): number {
    return this.#away.size;
  }

  async everybodyBack(withinMs = BACK_MS): Promise<void> {
    await eventually('everybody is back', () => this.#away.size === 0, withinMs);
  }

  /** The receipts that came between two moments. */
  acksBetween(from: number, to: number): Answer[] {
    return this.answers.filter((it) => it.outcome === 'acked' && it.at >= from && it.at < to);
  }

  /** How the attempts ended that began between two moments. */
  attemptsBetween(from: number, to: number): Answer[] {
    return this.answers.filter((it) => it.at - it.tookMs >= from && it.at - it.tookMs < to);
  }

  /** Waits for the last receipts, then resolves with what every client holds; rejects when the load itself was not sound. */
  async stop(): Promise<LoadResult> {
    this.#send({ kind: 'stop' });
    await eventually('the load has ended', () => this.#summary !== undefined || this.#hasEnded, STOP_MS);
    if (this.#summary === undefined) throw new Error('void: the process of the load died');
    const { loopDelayMs } = this.#summary;
    if (loopDelayMs > LOOP_DELAY_MS) {
      throw new Error(`void: p99 of the event loop delay of the load itself was ${Math.round(loopDelayMs)} ms`);
    }
    return { ...this.#summary, journals: this.#journals };
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #send(message: ToLoad): void {
    this.#child.send(message, () => {}); // a load that has died is found out where it is waited for
  }

  #take(message: FromLoad): void {
    switch (message.kind) {
      case 'answer':
        this.answers.push(message);
        break;
      case 'cut':
        this.cuts.push(message);
        this.#away.add(message.client);
        break;
      case 'back':
        this.backs.push(message);
        this.#away.delete(message.client);
        break;
      case 'in':
        this.#isIn = true;
        break;
      case 'journal':
        this.#journals.push(message.journal);
        break;
      case 'end':
        this.#summary = message.summary;
        break;
      default:
        message satisfies never;
    }
  }

  async #end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill('SIGKILL');
    await eventually('the load has ended', () => this.#hasEnded);
  }
}
