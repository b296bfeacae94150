import { within } from './within.ts';

interface Held {
  readonly name: string;
  readonly close: () => unknown;
}

/**
 * What a process opened, closed newest first. Who opens something registers its close at once:
 *
 *     const store = held.own('store', await SqliteStore.open(dir), (it) => it.close());
 */
export class Resources {
  readonly #held: Held[] = [];
  readonly #failed: Error[] = [];
  #phaseMs = 0;
  /** Never rejects: what failed is kept in `#failed`. */
  #closing: Promise<void> | undefined;

  /** Gives `value` back. Throws when closing has begun: the value is closed too, and its start must not go on. */
  own<T>(name: string, value: T, close: (value: T) => unknown): T {
    this.#held.push({ name, close: () => close(value) });
    if (this.#closing !== undefined) {
      this.#closing = this.#closing.then(() => this.#closeHeld());
      throw new Error(`${name} was opened while everything is closing`);
    }
    return value;
  }

  /**
   * Closes everything, newest first, each within `deadlinePerPhaseMs`; one that fails or hangs does not keep the others
   * open. Rejects at the end with an AggregateError of all that failed. Calling it again waits for the same end.
   */
  async closeAll(deadlinePerPhaseMs: number): Promise<void> {
    this.#phaseMs = deadlinePerPhaseMs;
    this.#closing ??= this.#closeHeld();
    await this.#closing;
    if (this.#failed.length > 0) {
      throw new AggregateError(this.#failed, `could not be closed: ${this.#failed.map((it) => it.message).join(', ')}`);
    }
  }

  /** Runs a start; when it fails, what it opened so far is closed, and the failure goes on with those of closing. */
  async start<T>(run: (held: Resources) => Promise<T>, deadlinePerPhaseMs: number): Promise<T> {
    try {
      return await run(this);
    } catch (failure) {
      try {
        await this.closeAll(deadlinePerPhaseMs);
      } catch (closing) {
        throw new AggregateError([failure, closing], 'the start failed, and so did closing what it had opened');
      }
      throw failure;
    }
  }

  async #closeHeld(): Promise<void> {
    for (let it = this.#held.pop(); it; it = this.#held.pop()) {
      const { name, close } = it;
      try {
        await within(this.#phaseMs, (async () => close())());
      } catch (cause) {
        this.#failed.push(new Error(`closing ${name}`, { cause }));
      }
    }
  }
}
