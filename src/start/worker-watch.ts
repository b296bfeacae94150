/** Every worker is asked this often. */
const TICK_MS = 1000;
/**
 * So many asked for in vain: longer than any collection of garbage or rush takes, and short enough that its clients are
 * on other workers within 20 s, before their own pings tell them.
 */
const HUNG_TICKS = 12;

export interface WatchOptions<W> {
  /** Makes the worker say something, if it still can. */
  readonly ask: (worker: W) => void;
  /** Told once of a worker that says nothing any more; it is not watched from then on. */
  readonly onHung: (worker: W) => void;
  readonly tickMs?: number;
}

/**
 * Finds workers that run and do nothing: stopped, or in a loop without an end. Nobody else would: their connections stay
 * open, and the system goes on taking in what is sent to them.
 *
 * Ticks are counted, not time: while this process itself is stopped, or has no turn on a busy machine, there are none,
 * and what workers could not say then is not held against them.
 */
export class WorkerWatch<W> {
  readonly #options: WatchOptions<W>;
  /** Ticks since the worker was last heard. */
  readonly #silent = new Map<W, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: WatchOptions<W>) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), options.tickMs ?? TICK_MS);
  }

  follow(worker: W): void {
    this.#silent.set(worker, 0);
  }

  /** Whatever it said: it lives. */
  heard(worker: W): void {
    if (this.#silent.has(worker)) this.#silent.set(worker, 0);
  }

  forget(worker: W): void {
    this.#silent.delete(worker);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#silent.clear();
  }

  #tick(): void {
    for (const [worker, silent] of this.#silent) {
      if (silent >= HUNG_TICKS) {
        this.#silent.delete(worker);
        this.#options.onHung(worker);
      } else {
        this.#silent.set(worker, silent + 1);
        this.#options.ask(worker);
      }
    }
  }
}
