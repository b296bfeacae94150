/** How many may wait for each place: at 2 ms a handshake, the last of them are let in after some 2 s. */
const WAITING_PER_PLACE = 20;
/** Those who come within this after others are let in together: the longer, the more the others were. */
const GATHER_MS_PER_HANDSHAKE = 30;
const GATHER_MAX_MS = 100;

/**
 * Lets sockets in, a bounded number at a time. The others wait in the order of their coming, so that a herd is let in at
 * the pace at which its tokens are checked and its rooms read, while those who are in go on being served. The queue is
 * bounded, too: whoever would wait for long is better sent away at once, and comes back by itself.
 *
 * Who comes alone is let in at once. Who comes in a herd is let in with others, because those who ask the store at the
 * same time share its answers.
 */
export class Admission {
  readonly #places: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #taken = 0;
  #openAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(places: number) {
    this.#places = places;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#places * WAITING_PER_PLACE;
  }

  /** Runs `handshake`, which must not reject, when it is its turn; false when too many wait already. */
  take(handshake: () => Promise<void>): boolean {
    if (this.isFull) return false;
    this.#waiting.push(handshake);
    this.#open();
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #open(): void {
    const free = this.#places - this.#taken;
    const waiting = this.#waiting.length;
    if (free <= 0 || waiting === 0 || this.#timer) return;
    // Of many who wait, one at a time would share nothing.
    if (waiting > free && free < this.#places / 2) return;
    const waitMs = this.#openAt - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#open();
      }, waitMs);
      return;
    }
    const together = this.#waiting.splice(0, free);
    const gatherMs = Math.min(GATHER_MAX_MS, together.length * GATHER_MS_PER_HANDSHAKE);
    // Where others had to stay behind, enough have gathered.
    this.#openAt = this.#waiting.length > 0 ? 0 : performance.now() + gatherMs;
    for (const handshake of together) void this.#run(handshake);
  }

  async #run(handshake: () => Promise<void>): Promise<void> {
    this.#taken += 1;
    await handshake();
    this.#taken -= 1;
    this.#open();
  }
}
