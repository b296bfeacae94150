import cluster, { type Worker } from 'node:cluster';
import inspector from 'node:inspector';
import type { Log } from '../chat/ports/log.ts';
import { Link } from '../platform/link.ts';
import { type Hello, type StopOrder, TOPICS } from './cluster-state.ts';
import { linkOptions } from './link-options.ts';
import { processChannel } from './process-channel.ts';
import { closeUndelivered } from './undelivered-handles.ts';
import { WorkerWatch } from './worker-watch.ts';

const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long died of something new: the next start does not wait. */
const SETTLED_MS = 10_000;
/** A worker that does not listen by then is taken for stuck. */
const START_MS = 30_000;
const ANSWER_MS = 1000;

export interface PooledWorker {
  readonly worker: Worker;
  readonly link: Link;
  /** Resolves with what it said when it listens; rejects when it dies before. */
  readonly listening: Promise<Hello>;
  /** Resolves when the process is gone, with nothing where it never ran. */
  readonly gone: Promise<{ readonly code?: number; readonly signal?: string }>;
  listens: boolean;
  stopping: boolean;
  /** Connections of its sessions may be handed to it. */
  holdsSessions: boolean;
  /** Connections that begin a session may be. */
  takesSessions: boolean;
}

export interface PoolOptions {
  readonly size: number;
  readonly graceMs: number;
  readonly log: Log;
  /** Environment of a worker besides the primary's own. */
  readonly env: () => NodeJS.ProcessEnv;
  /** Before the worker says anything. */
  readonly onStart: (it: PooledWorker) => void;
  readonly onListening: (it: PooledWorker, hello: Hello) => void;
  readonly onGone: (it: PooledWorker) => void;
}

/**
 * Keeps `size` workers running: a dead one is replaced, at once or, when it dies again and again, after a growing while.
 * A place is: starting → listening → (stopping) → gone.
 */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #workers = new Set<PooledWorker>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #watch: WorkerWatch<PooledWorker>;
  /** Workers that died without being told to. */
  deaths = 0;
  /** Workers that were killed because they answered nothing any more. */
  hung = 0;
  #failures = 0;
  #stopping = false;
  #rolling: Promise<void> | undefined;
  #rollAgain = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#watch = new WorkerWatch({
      // The answer does not matter: any message of a worker is heard, and worth as much.
      ask: ({ link }) => void link.call(TOPICS.alive, null, ANSWER_MS).catch(() => {}),
      onHung: (it) => this.#killHung(it),
    });
  }

  get workers(): readonly PooledWorker[] {
    return [...this.#workers];
  }

  start(): void {
    for (let i = 0; i < this.#options.size; i += 1) this.#fork();
  }

  /** The worker of that name, while it holds sessions. */
  holderOf(name: string): PooledWorker | undefined {
    return this.workers.find(({ worker, holdsSessions }) => holdsSessions && String(worker.id) === name);
  }

  /** One that takes new sessions. */
  anyone(): PooledWorker | undefined {
    const open = this.workers.filter((it) => it.takesSessions && !it.stopping);
    return open[Math.floor(Math.random() * open.length)];
  }

  /** Replaces every worker, one by one: the new one listens before the old one goes. Called meanwhile: once more after. */
  rollingRestart(): Promise<void> {
    if (this.#rolling !== undefined) this.#rollAgain = true;
    this.#rolling ??= this.#roll().finally(() => {
      this.#rolling = undefined;
      const again = this.#rollAgain;
      this.#rollAgain = false;
      if (again && !this.#stopping) void this.rollingRestart();
    });
    return this.#rolling;
  }

  async #roll(): Promise<void> {
    for (const old of this.workers) {
      if (this.#stopping) return;
      // One that died meanwhile has been replaced already.
      if (!this.#workers.has(old) || old.stopping) continue;
      old.stopping = true; // from here nobody else replaces it
      const next = this.#fork();
      try {
        await next.listening;
      } catch (cause) {
        this.#options.log.error('a rolling restart stopped: the new worker does not listen', { cause });
        old.stopping = false;
        return;
      }
      await this.#end(old, false);
    }
  }

  /** Ends all workers. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.workers.map((it) => this.#end(it, true)));
    this.#watch.close();
  }

  #killHung({ worker, stopping }: PooledWorker): void {
    if (inspector.url() !== undefined) return; // somebody debugs: a worker at a breakpoint is silent, too
    if (!stopping) this.hung += 1; // as with deaths
    this.#options.log.error('a worker answers nothing any more and is killed', { pid: worker.process.pid });
    worker.process.kill('SIGKILL');
  }

  /** `all`: nobody takes its place. */
  async #end(it: PooledWorker, all: boolean): Promise<void> {
    it.stopping = true;
    if (it.listens) it.link.tell(TOPICS.stop, { all } satisfies StopOrder);
    // It has no clients yet, and would not hear: what comes before its program is loaded is lost.
    else it.worker.process.kill('SIGKILL');
    const late = setTimeout(() => {
      this.#options.log.error('a worker did not end in time and is killed', { pid: it.worker.process.pid });
      it.worker.process.kill('SIGKILL');
    }, this.#options.graceMs);
    await it.gone;
    clearTimeout(late);
  }

  #fork(): PooledWorker {
    const { log, env, onStart, onListening, onGone } = this.#options;
    const worker = cluster.fork(env());
    closeUndelivered(worker.process);
    const startedAt = performance.now();
    const link = new Link(processChannel(worker.process), linkOptions);
    const gone: PooledWorker['gone'] = new Promise((resolve) => {
      worker.once('exit', (code, signal) => resolve({ code, signal }));
      worker.on('error', (cause) => {
        log.error('a worker could not be started', { cause });
        if (worker.process.pid === undefined) resolve({});
      });
    });
    const listening = new Promise<Hello>((resolve, reject) => {
      const late = setTimeout(() => worker.process.kill('SIGKILL'), START_MS);
      link.on(TOPICS.listening, (hello: Hello) => {
        clearTimeout(late);
        resolve(hello);
      });
      void gone.then(() => {
        clearTimeout(late);
        reject(new Error('the worker ended before it listened'));
      });
    });
    const it: PooledWorker = {
      worker,
      link,
      listening,
      gone,
      listens: false,
      stopping: false,
      holdsSessions: false,
      takesSessions: false,
    };
    this.#workers.add(it);
    onStart(it);
    // Before it says so itself: sessions begin with the first connection.
    worker.once('listening', () => {
      it.holdsSessions = true;
      it.takesSessions = true;
    });
    listening.then(
      (hello) => {
        it.listens = true;
        this.#watch.follow(it);
        onListening(it, hello);
      },
      () => {}, // told when it is gone
    );
    worker.on('message', () => this.#watch.heard(it));
    void gone.then(({ code, signal }) => {
      this.#workers.delete(it);
      this.#watch.forget(it);
      link.close();
      onGone(it);
      if (it.stopping || this.#stopping) return;
      this.deaths += 1;
      const livedMs = performance.now() - startedAt;
      log.error('a worker died and is replaced', {
        pid: worker.process.pid,
        code,
        signal,
        livedMs: Math.round(livedMs),
      });
      this.#replace(livedMs);
    });
    return it;
  }

  #replace(livedMs: number): void {
    this.#failures = livedMs >= SETTLED_MS ? 0 : this.#failures + 1;
    // The first death is replaced at once.
    const waitMs = this.#failures <= 1 ? 0 : Math.min(RESTART_MIN_MS * 2 ** (this.#failures - 2), RESTART_MAX_MS);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      // A rolling restart whose new worker died keeps the old one: nobody is missing then.
      if (this.workers.filter((it) => !it.stopping).length < this.#options.size) this.#fork();
    }, waitMs);
    this.#timers.add(timer);
  }
}
