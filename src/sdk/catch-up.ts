import type { DoneAckOf } from '../wire/socket.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { ParleyError } from './parley-error.ts';
import type { RoomMessages } from './room-messages.ts';

/** The server takes no more in one call. */
const MAX_ROOMS = 500;

export type Resume = (rooms: Record<string, { seq: number; rev?: number }>) => Promise<DoneAckOf<'resume'>['rooms']>;

/**
 * Brings any number of rooms in step with as few `resume` calls as possible, one at a time: what is asked for while
 * one is under way goes into the next.
 */
export class CatchUp {
  readonly #due = new Set<RoomMessages>();
  readonly #resume: Resume;
  readonly #online: () => boolean;
  readonly #backoff: Backoff;
  #running = false;
  #fruitless = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(resume: Resume, online: () => boolean, backoff: Backoff) {
    this.#resume = resume;
    this.#online = online;
    this.#backoff = backoff;
  }

  /** Asked for while offline, it is done as soon as {@link CatchUp.run} is called. */
  ask(view: RoomMessages): void {
    this.#due.add(view);
    if (this.#timer === undefined) this.run();
  }

  forget(view: RoomMessages): void {
    this.#due.delete(view);
  }

  /** To be called whenever the client has come online. */
  run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#running) void this.#loop();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#due.clear();
  }

  async #loop(): Promise<void> {
    this.#running = true;
    try {
      // Requests made in the same turn belong in one call.
      await Promise.resolve();
      while (this.#due.size > 0 && this.#online()) {
        const batch = this.#take();
        const fruitful = await this.#round(batch);
        this.#fruitless = fruitful ? 0 : this.#fruitless + 1;
        if (!fruitful) {
          this.#timer = setTimeout(() => this.run(), backoffMs(this.#fruitless - 1, this.#backoff));
          return;
        }
      }
    } finally {
      this.#running = false;
    }
  }

  /** At most one view of a room: the answer names the room, not who asked. */
  #take(): Map<string, RoomMessages> {
    const batch = new Map<string, RoomMessages>();
    for (const view of this.#due) {
      if (batch.size === MAX_ROOMS) break;
      if (batch.has(view.room)) continue;
      batch.set(view.room, view);
      this.#due.delete(view);
    }
    return batch;
  }

  /** False when no room got any further. */
  async #round(batch: Map<string, RoomMessages>): Promise<boolean> {
    let answers: DoneAckOf<'resume'>['rooms'];
    try {
      answers = await this.#resume(Object.fromEntries([...batch].map(([room, view]) => [room, view.log.cursor])));
    } catch (error) {
      const lasting = error instanceof ParleyError && !error.retry;
      for (const view of batch.values()) {
        if (lasting) view.left(error);
        else this.#due.add(view);
      }
      return lasting;
    }
    let fruitful = false;
    for (const [room, view] of batch) {
      if (view.state === 'closed') {
        fruitful = true;
        continue;
      }
      const answer = answers[room];
      if (answer === undefined) {
        this.#due.add(view);
      } else if ('error' in answer) {
        if (answer.error === 612 || answer.error === 429) {
          this.#due.add(view);
          continue;
        }
        view.left({ error: answer.error, code: answer.code, detail: 'the room is unknown, or closed to this user' });
        fruitful = true;
      } else {
        const { complete, moved } = view.caughtUp(answer);
        fruitful ||= moved;
        if (!complete) this.#due.add(view);
      }
    }
    return fruitful;
  }
}
