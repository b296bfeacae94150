import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatClient, type ChatClientOptions } from './chat-client.ts';
import { type Env, SpawnedServer, type SpawnOptions } from './spawn-server.ts';

/** Quick to stop, and no limits but those a test asks for. */
const TEST_ENV: Env = { DRAIN_MS: '100', RATE_MESSAGES: 'off', RATE_ROOMS: 'off', RATE_GUESTS: 'off' };

/** What a test started; `close` ends it newest first and fails when a process stays. */
export class TestBed {
  readonly #held: (() => unknown)[] = [];

  /** Ended with the bed. */
  own<T>(value: T, close: (value: T) => unknown): T {
    this.#held.push(() => close(value));
    return value;
  }

  async folder(): Promise<string> {
    return this.own(await mkdtemp(join(tmpdir(), 'parley-test-')), (it) => rm(it, { recursive: true, force: true }));
  }

  /** A server that listens, on a data folder of its own. */
  async server(env: Env = {}, limits: Pick<SpawnOptions, 'openFiles'> = {}): Promise<SpawnedServer> {
    return (await this.start(env, [], limits)).listening();
  }

  /** A server that was just started. */
  async start(
    env: Env = {},
    args: readonly string[] = [],
    limits: Pick<SpawnOptions, 'openFiles'> = {},
  ): Promise<SpawnedServer> {
    const tempDir = await this.folder();
    return this.#spawn({ tempDir, dataDir: join(tempDir, 'data'), env: { ...TEST_ENV, ...env }, ...limits }, args);
  }

  /** Another start of a server that is gone: same folder, same port. */
  again(server: SpawnedServer, env: Env = {}): Promise<SpawnedServer> {
    return this.#spawn({ ...server.options, env: { ...server.options.env, PORT: server.port, ...env } }).listening();
  }

  client(url: string, token: string, options?: ChatClientOptions): ChatClient {
    return this.own(new ChatClient(url, token, options), (it) => it.close());
  }

  /** Clients of one user, at least one on every worker. */
  async clientsOnAllWorkers(
    server: SpawnedServer,
    token: string,
    count: number,
    options?: ChatClientOptions,
  ): Promise<ChatClient[]> {
    const workers = await server.workers();
    const clients: ChatClient[] = [];
    const missing = new Set(workers.keys());
    while (clients.length < count || missing.size > 0) {
      if (clients.length > count + 20) throw new Error(`no client reaches the workers ${[...missing]}`);
      const client = this.client(server.url, token, options);
      clients.push(client);
      await client.online();
      missing.delete(client.node);
    }
    return clients;
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#held.pop(); close; close = this.#held.pop()) {
      try {
        await close();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything ended well');
  }

  #spawn(options: ConstructorParameters<typeof SpawnedServer>[0], args: readonly string[] = []): SpawnedServer {
    return this.own(new SpawnedServer(options, args), async (it) => {
      const { pid } = it;
      const ended = it.hasExited;
      const { code, signal } = await it.stop();
      const left = it.pids();
      for (const stray of left) process.kill(stray, 'SIGKILL');
      if (left.length > 0) throw new Error(`of the server ${pid} the processes ${left} stay`);
      if (!ended && code !== 0) throw new Error(`the server ${pid} ended with ${code ?? signal}:\n${it.output}`);
    });
  }
}
