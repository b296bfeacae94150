/**
 * Listeners of named events. One that throws does not keep the others, or the order of what follows, from being told:
 * its error surfaces as an uncaught one, where it belongs.
 */
export class Listeners<Events extends object> {
  readonly #of: { [E in keyof Events]?: Set<(event: Events[E]) => void> } = {};

  /** The returned function ends the listening. */
  on<E extends keyof Events>(name: E, listener: (event: Events[E]) => void): () => void {
    const all = this.#of[name] ?? new Set();
    this.#of[name] = all;
    all.add(listener);
    return () => {
      all.delete(listener);
    };
  }

  tell<E extends keyof Events>(name: E, event: Events[E]): void {
    for (const listener of [...(this.#of[name] ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
