import type { MessageId } from '../../../chat/model.ts';
import type { Clock } from '../../../chat/ports/clock.ts';
import type { NewBotCommand } from '../../../chat/ports/jobs.ts';
import type { Log } from '../../../chat/ports/log.ts';
import type { Link } from '../../../platform/link.ts';

const MAX_DELIVERIES = 5;
const REDELIVER_MS = 1000;
/** A bot that takes longer is taken for dead, and its command is handed out again. */
const RUN_MS = 30_000;
/** A finished id is remembered this long: commands are published again after a start or a worker's death. */
const REMEMBER_MS = 120_000;

interface Consumer {
  readonly link: Link;
  free: number;
}

/**
 * The primary's part of the jobs: competing consumers, a settled delivery is done, any other is made again elsewhere.
 * Nothing is kept on disk here: the store's open commands are published again after a start.
 */
export class LocalQueue {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Set<MessageId>();
  readonly #waiting: { command: NewBotCommand; deliveries: number }[] = [];
  #consumers: Consumer[] = [];

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  attach(link: Link): void {
    link.handle('jobs.publish', (command: NewBotCommand) => {
      if (this.#known.has(command.id)) return;
      this.#known.add(command.id);
      this.#waiting.push({ command, deliveries: 0 });
      this.#hand();
    });
    link.handle('jobs.consume', (prefetch: number) => {
      this.#consumers.push({ link, free: prefetch });
      this.#hand();
    });
  }

  /** Deliveries of a consumer that died reject with its link and are made again. */
  detach(link: Link): void {
    this.#consumers = this.#consumers.filter((it) => it.link !== link);
  }

  #hand(): void {
    for (;;) {
      // A link closes before its process is gone: it would only use up deliveries.
      const consumer = this.#consumers.find((it) => it.free > 0 && !it.link.closed);
      if (!consumer) return;
      const job = this.#waiting.shift();
      if (!job) return;
      // The one that was given work goes to the end of the row.
      this.#consumers.splice(this.#consumers.indexOf(consumer), 1);
      this.#consumers.push(consumer);
      consumer.free -= 1;
      job.deliveries += 1;
      void consumer.link
        .call('jobs.run', job.command, RUN_MS)
        .then(
          () => this.#forgetLater(job.command.id),
          (cause: unknown) => this.#again(job, cause),
        )
        .finally(() => {
          consumer.free += 1;
          this.#hand();
        });
    }
  }

  #again(job: { command: NewBotCommand; deliveries: number }, cause: unknown): void {
    const { id, command } = job.command;
    if (job.deliveries >= MAX_DELIVERIES) {
      this.#log.error('a command failed at every delivery and is given up', { id, command, cause });
      this.#forgetLater(id);
      return;
    }
    this.#log.warn('a command is delivered again', { id, command, deliveries: job.deliveries, cause });
    this.#clock.after(REDELIVER_MS, () => {
      this.#waiting.push(job);
      this.#hand();
    });
  }

  #forgetLater(id: MessageId): void {
    this.#clock.after(REMEMBER_MS, () => this.#known.delete(id));
  }
}
