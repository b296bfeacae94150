const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A call that waits for its batch. */
export interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
  /** Nobody has answered it, and it is not overdue. */
  readonly isOpen: () => boolean;
}

interface BatchesOptions<T, R> {
  /**
   * Answers the batch. What it leaves open when it resolves begins the next batch, in the same order; when it rejects,
   * that is rejected with the same error.
   */
  readonly run: (key: string, batch: readonly Waiting<T, R>[]) => Promise<void>;
  /** How many of those that wait go together: at least one. */
  readonly cut: (waiting: readonly Waiting<T, R>[]) => number;
  /** How long a call may take, waiting included. */
  readonly ms: number;
}

/**
 * Group commit: per key one batch is under way, and everything that arrives meanwhile is the next. What is submitted in
 * one turn of the event loop goes together.
 */
export class Batches<T, R> {
  readonly #options: BatchesOptions<T, R>;
  readonly #queues = new Map<string, Waiting<T, R>[]>();

  constructor(options: BatchesOptions<T, R>) {
    this.#options = options;
  }

  submit(key: string, item: T): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const waiting = waitingCall(item, performance.now() + this.#options.ms, resolve, reject);
      const queue = this.#queues.get(key);
      if (queue !== undefined) {
        queue.push(waiting);
        return;
      }
      const started = [waiting];
      this.#queues.set(key, started);
      void this.#drain(key, started);
    });
  }

  async #drain(key: string, queue: Waiting<T, R>[]): Promise<void> {
    const { run, cut } = this.#options;
    while (queue.length > 0) {
      // What those say next who were just answered goes along.
      await endOfTurn();
      const open = queue.splice(0).filter((it) => it.isOpen());
      if (open.length === 0) break;
      const batch = open.slice(0, cut(open));
      queue.push(...open.slice(batch.length));
      try {
        await run(key, batch);
        queue.unshift(...batch.filter((it) => it.isOpen()));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#queues.delete(key);
  }
}

function waitingCall<T, R>(
  item: T,
  dueAt: number,
  resolve: (result: R) => void,
  reject: (error: unknown) => void,
): Waiting<T, R> {
  let answered = false;
  return {
    item,
    resolve: (result) => {
      answered = true;
      resolve(result);
    },
    reject: (error) => {
      answered = true;
      reject(error);
    },
    isOpen: () => !answered && performance.now() < dueAt,
  };
}
