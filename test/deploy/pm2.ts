import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { processTable } from '../support/process-table.ts';
import { ROOT } from '../support/root.ts';
import type { Env } from '../support/spawn-server.ts';

export interface Pm2App {
  readonly name: string;
  /** Of the main process; 0 when none runs. */
  readonly pid: number;
  readonly pm2_env: { readonly status: string; readonly restart_time: number };
}

/** pm2 with a daemon, logs and a list of its own. Every command starts the daemon where it does not run. */
export class Pm2 {
  readonly home: string;
  readonly #env: Env;
  /** Groups of everything it ever started, daemons included. */
  readonly #groups = new Set<number>();

  constructor(dir: string, env: Env) {
    this.home = join(dir, 'pm2');
    const { PATH = '', HOME = '' } = process.env;
    this.#env = { PATH, HOME, TMPDIR: dir, PM2_HOME: this.home, ...env };
  }

  /** One command, with more of an environment; rejects when it fails. Resolves with what it printed. */
  async run(args: readonly string[], env: Env = {}): Promise<string> {
    await mkdir(this.home, { recursive: true });
    const child = spawn(process.execPath, [join(ROOT, 'node_modules/pm2/bin/pm2'), ...args], {
      cwd: ROOT,
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    // Not `close`: the daemon inherits nothing, but takes its time.
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
    const daemon = await this.daemonPid();
    if (daemon > 0) this.#groups.add(daemon);
    if (code !== 0) throw new Error(`pm2 ${args.join(' ')} ended with ${code}:\n${output}\n${await this.log()}`);
    return output;
  }

  async list(): Promise<Pm2App[]> {
    // Where the daemon was just started, lines that say so come first.
    const line = (await this.run(['jlist'])).split('\n').find((it) => it.startsWith('['));
    const apps: Pm2App[] = JSON.parse(line ?? '[]');
    for (const { pid } of apps) if (pid > 0) this.#groups.add(pid);
    return apps;
  }

  async app(name: string): Promise<Pm2App> {
    const found = (await this.list()).find((it) => it.name === name);
    if (!found) throw new Error(`pm2 knows no ${name}`);
    return found;
  }

  async daemonPid(): Promise<number> {
    return Number(await readFile(join(this.home, 'pm2.pid'), 'utf8').catch(() => '0'));
  }

  /** What the app wrote. */
  async output(name: string): Promise<string> {
    const texts = ['out', 'error'].map((it) => readFile(join(this.home, 'logs', `${name}-${it}.log`), 'utf8'));
    return (await Promise.all(texts.map((it) => it.catch(() => '')))).join('');
  }

  log(): Promise<string> {
    return readFile(join(this.home, 'pm2.log'), 'utf8').catch(() => '');
  }

  /** Every process of it that runs. */
  pids(): number[] {
    return processTable().flatMap((it) => (this.#groups.has(it.group) ? [it.pid] : []));
  }

  /** Ends the daemon and its apps; rejects when a process stays. */
  async close(): Promise<void> {
    await this.run(['kill']);
    // The daemon answers and then ends.
    await eventually('pm2 has ended', () => this.pids().length === 0).catch(() => {});
    const left = this.pids();
    for (const pid of left) process.kill(pid, 'SIGKILL');
    if (left.length > 0) throw new Error(`of pm2 the processes ${left} stay:\n${await this.log()}`);
  }
}
