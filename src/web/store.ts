/**
 * State that views watch: replaced in parts, never changed in place. Watchers run once per turn, and only those whose
 * selected value is another one.
 */
export class Store<S extends object> {
  #state: S;
  #scheduled = false;
  readonly #watchers = new Set<() => void>();

  constructor(initial: S) {
    this.#state = initial;
  }

  get state(): S {
    return this.#state;
  }

  set(patch: Partial<S>): void {
    this.#state = { ...this.#state, ...patch };
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const look of [...this.#watchers]) look();
    });
  }

  /** Calls `render` now and after each change of what `select` picks. The returned function ends it. */
  watch<T>(select: (state: S) => T, render: (value: T) => void): () => void {
    let last = select(this.#state);
    const look = (): void => {
      const value = select(this.#state);
      if (Object.is(value, last)) return;
      last = value;
      render(value);
    };
    this.#watchers.add(look);
    render(last);
    return () => {
      this.#watchers.delete(look);
    };
  }
}
