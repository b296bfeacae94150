import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../scripts/engines/free-ports.js';
import { findNginx } from '../../scripts/engines/nginx.js';
import { eventually } from '../support/eventually.ts';
import { rest } from '../support/rest.ts';
import { ROOT } from '../support/root.ts';
import type { TestBed } from '../support/test-bed.ts';

/** A file of nginx/ with the addresses of a test in place of its own; whatever else it says is tried as it is. */
export async function adapt(file: string, changes: readonly (readonly [RegExp, string])[]): Promise<string> {
  let text = await readFile(join(ROOT, 'nginx', file), 'utf8');
  for (const [from, to] of changes) {
    if (!from.test(text)) throw new Error(`nginx/${file} has no ${from}`);
    text = text.replace(from, to);
  }
  return text;
}

/** A real nginx in a folder of its own, on a port of 127.0.0.1. */
export class Nginx {
  readonly dir: string;
  readonly port: number;
  readonly #site: string;
  #output = '';
  #pid = 0;
  #exited: Promise<number | null> = Promise.resolve(0);

  private constructor(dir: string, port: number, site: string) {
    this.dir = dir;
    this.port = port;
    this.#site = site;
  }

  /** `site` gives the file for the http level; it listens on `port` and logs into `dir`. */
  static async open(parent: string, site: (port: number, dir: string) => Promise<string>): Promise<Nginx> {
    const dir = join(parent, 'nginx');
    await mkdir(dir);
    const port = await freePorts(1);
    const nginx = new Nginx(dir, port, await site(port, dir));
    await nginx.start();
    return nginx;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const { dir } = this;
    const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((it) => `${it}_temp_path ${dir}/${it};`);
    await writeFile(join(dir, 'site.conf'), this.#site);
    await writeFile(
      join(dir, 'nginx.conf'),
      [
        ...(process.getuid?.() === 0 ? ['user root;'] : []),
        `daemon off; pid ${dir}/pid; error_log stderr notice; worker_processes 2;`,
        'events { worker_connections 4096; }',
        `http { access_log ${dir}/other.log; ${temps.join(' ')} include ${dir}/site.conf; }`,
      ].join('\n'),
    );
    const child = spawn(
      process.env.NGINX ?? findNginx() ?? 'nginx',
      ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#output += chunk;
      });
    }
    let gone = false;
    this.#exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        gone = true;
        resolve(code);
      });
    });
    this.#exited.catch(() => {}); // told below
    this.#pid = child.pid ?? 0;
    await eventually('nginx answers', async () => {
      if (gone || this.#pid === 0) throw new Error(`nginx ended:\n${this.#output}`);
      return (await rest(this.url, 'GET /livez')).status === 404;
    });
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal);
  }

  /** Ends it at once, with every connection. */
  async stop(): Promise<void> {
    if (this.#pid === 0) return;
    this.signal('SIGTERM');
    this.#pid = 0;
    const code = await this.#exited;
    if (code !== 0) throw new Error(`nginx ended with ${code}:\n${this.#output}`);
  }

  /** Everything it wrote: its own output and every file in its folder. */
  async written(): Promise<string> {
    const files = await readdir(this.dir, { recursive: true, withFileTypes: true });
    const texts = files
      .filter((it) => it.isFile() && !it.name.endsWith('.conf'))
      .map((it) => readFile(join(it.parentPath, it.name), 'utf8'));
    return [this.#output, ...(await Promise.all(texts))].join('\n');
  }

  accessLog(): Promise<string> {
    return readFile(join(this.dir, 'access.log'), 'utf8');
  }
}

/** nginx/parley.conf in front of a server. */
export async function inFrontOf(bed: TestBed, server: { readonly port: string }): Promise<Nginx> {
  const site = (port: number, dir: string): Promise<string> =>
    adapt('parley.conf', [
      [/listen 80;/, `listen 127.0.0.1:${port};`],
      [/listen \[::\]:80;/, ''],
      [/\/var\/log\/nginx\/parley\.access\.log/, join(dir, 'access.log')],
      [/\/var\/log\/nginx\/parley\.error\.log/, join(dir, 'error.log')],
      [/127\.0\.0\.1:3000/, `127.0.0.1:${server.port}`],
    ]);
  return bed.own(await Nginx.open(await bed.folder(), site), (it) => it.stop());
}
