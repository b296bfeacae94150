import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Engine } from '../../support/engines.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestBed } from '../../support/test-bed.ts';
import type { LoadSize } from './load.ts';
import type { Member } from './load-plan.ts';

const WORKERS = 3;
const START_MS = 30_000;

/** Plain Socket.IO with its Redis adapter, three workers: see plain-server.ts. */
export class PlainCluster {
  #output = '';
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.#output += chunk;
      });
    }
  }

  /** `maxRetriesPerRequest` as many set it, so that nothing waits for Redis for ever; ioredis' own default is 20. */
  static async start(bed: TestBed, redis: Engine, maxRetriesPerRequest?: number): Promise<PlainCluster> {
    const loader = fileURLToPath(new URL('../../support/typescript-loader.js', import.meta.url));
    const program = fileURLToPath(new URL('./plain-server.ts', import.meta.url));
    const retries = maxRetriesPerRequest === undefined ? [] : [String(maxRetriesPerRequest)];
    const child = spawn(process.execPath, ['--import', loader, program, redis.url, String(WORKERS), ...retries]);
    const plain = bed.own(new PlainCluster(child), (it) => it.#end());
    await plain.workers();
    return plain;
  }

  get url(): string {
    return `http://127.0.0.1:${/port (\d+)/.exec(this.#output)?.[1]}`;
  }

  /** Workers that died and were replaced. */
  get deaths(): number {
    return this.#output.match(/^gone /gm)?.length ?? 0;
  }

  /** Name → pid of every worker; waits until all of them take connections. */
  async workers(): Promise<Map<string, number>> {
    return eventually(
      'every worker of the plain server listens',
      () => {
        const listening = [...this.#output.matchAll(/^worker (\d+) pid (\d+)/gm)];
        const gone = new Set([...this.#output.matchAll(/^gone (\d+)/gm)].map(([, name]) => name));
        const found = listening.flatMap(([, name = '', pid]): [string, number][] =>
          gone.has(name) ? [] : [[name, Number(pid)]],
        );
        return found.length === WORKERS && new Map(found);
      },
      START_MS,
    ).then(
      (it) => it || new Map<string, number>(),
      (cause: unknown) => {
        throw new Error(`the plain server is not complete:\n${this.#output.slice(-2000)}`, { cause });
      },
    );
  }

  async #end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await eventually('the plain server has ended', () => this.#child.exitCode !== null);
  }
}

/** Members for it: it knows no accounts, and takes the token for the name of the room. */
export const plainMembers = ({ clients, rooms }: LoadSize): Member[] =>
  Array.from({ length: clients }, (_, n) => ({
    name: `client ${n}`,
    token: `room ${n % rooms}`,
    room: `room ${n % rooms}`,
  }));
