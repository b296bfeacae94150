/** How many may wait for each place: at 2 ms a handshake, the last of them are let in after some 2 s. */
const WAITING_PER_PLACE = 20;

/**
 * Lets a bounded number of handshakes be worked on at a time. The others wait in the order of their coming, so that a herd
 * is let in at the pace at which its tokens are checked and its rooms read, while those who are in go on being served.
 * The queue is bounded, too: whoever would wait for long is better sent away at once, and comes back by itself.
 */
export class Admission {
  readonly #places: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#places * WAITING_PER_PLACE;
  }

  /** Runs `handshake`, which must not reject, when there is a place for it; false when too many wait already. */
  take(handshake: () => Promise<void>): boolean {
    if (this.#taken >= this.#places) {
      if (this.isFull) return false;
      this.#waiting.push(handshake);
      return true;
    }
    this.#taken += 1;
    void this.#work(handshake);
    return true;
  }

  async #work(first: () => Promise<void>): Promise<void> {
    for (let next: typeof first | undefined = first; next; next = this.#waiting.shift()) await next();
    this.#taken -= 1;
  }
}
