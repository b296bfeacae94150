import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { processTable } from './process-table.ts';
import { rest } from './rest.ts';
import { ROOT } from './root.ts';

const START_MS = 30_000;

export type Env = Readonly<Record<string, string>>;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  readonly dataDir: string;
  /** Holds the private sockets of the workers, which a kill -9 leaves behind. */
  readonly tempDir: string;
  readonly env?: Env;
  /** `ulimit -n` of all its processes. */
  readonly openFiles?: number;
}

let built = false;

export function buildOnce(): void {
  if (built) return;
  const { status } = spawnSync(process.execPath, [join(ROOT, 'scripts/build-if-needed.js')], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
  built = true;
}

/** A real server in a process group of its own, with nothing of this environment but what a program needs to run. */
export class SpawnedServer {
  readonly options: SpawnOptions;
  readonly exited: Promise<Exit>;
  #output = '';
  #exit: Exit | undefined;
  #url = '';
  readonly #child: ChildProcess;

  constructor(options: SpawnOptions, args: readonly string[] = []) {
    buildOnce();
    this.options = options;
    const { PATH = '', HOME = '' } = process.env;
    const limit = options.openFiles === undefined ? '' : `ulimit -n ${options.openFiles}; `;
    const command = [process.execPath, join(ROOT, 'dist/main.js'), ...args];
    this.#child = spawn('/bin/sh', ['-c', `${limit}exec "$0" "$@"`, ...command], {
      // Not the checkout: nothing may lie about there.
      cwd: options.tempDir,
      detached: true,
      env: { PATH, HOME, TMPDIR: options.tempDir, DATA_DIR: options.dataDir, PORT: '0', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.#output += chunk;
      });
    }
    this.exited = new Promise((resolve) => {
      // `close`: the output of all its processes has come to its end, too.
      this.#child.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  /** Everything all its processes wrote so far. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the server could not be started');
    return pid;
  }

  get url(): string {
    return this.#url;
  }

  get port(): string {
    return new URL(this.#url).port;
  }

  get instances(): number {
    return Number(this.options.env?.INSTANCES ?? 1);
  }

  get hasExited(): boolean {
    return this.#exit !== undefined;
  }

  async listening(): Promise<this> {
    await eventually(
      'the server listens',
      () => {
        this.#url = /^Parley listens on (http:\S+)$/m.exec(this.#output)?.[1] ?? '';
        return this.#url !== '' || this.#exit !== undefined;
      },
      START_MS,
    ).catch((cause: unknown) => {
      throw new Error(`the server does not listen:\n${this.#output}`, { cause });
    });
    if (this.#url === '') throw new Error(`the server ended with ${JSON.stringify(this.#exit)}:\n${this.#output}`);
    return this;
  }

  workerPids(): number[] {
    return processTable().flatMap((it) => (it.parent === this.pid ? [it.pid] : []));
  }

  /** All processes of its group, however they were left behind. */
  pids(): number[] {
    return processTable().flatMap((it) => (it.group === this.pid ? [it.pid] : []));
  }

  /** Name → pid of every worker, as they say themselves; waits until all of them take connections. */
  workers(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    return eventually(
      'every worker answers',
      async () => {
        const { status, body } = await rest<{ worker: string; pid: number }>(this.#url, 'GET /readyz');
        if (status === 200) found.set(body.worker, body.pid);
        const running = this.workerPids();
        for (const [name, pid] of found) if (!running.includes(pid)) found.delete(name);
        return found.size === this.instances && running.length === this.instances && found;
      },
      START_MS,
    ).then(
      (it) => it || found,
      (cause: unknown) => {
        throw new Error(`the workers are not complete:\n${this.#output.slice(-4000)}`, { cause });
      },
    );
  }

  signal(signal: NodeJS.Signals, to: 'main' | 'group' = 'main'): void {
    process.kill(to === 'group' ? -this.pid : this.pid, signal);
  }

  /** SIGTERM, as an operator would; resolves with how it ended. */
  stop(): Promise<Exit> {
    if (!this.hasExited) this.signal('SIGTERM');
    return this.exited;
  }

  /** All processes at once, as a power cut would. */
  async killGroup(): Promise<void> {
    this.signal('SIGKILL', 'group');
    await this.exited;
  }
}
