import cluster, { type Worker } from 'node:cluster';
import { readFileSync } from 'node:fs';
import { ConfigError } from './config/config-error.ts';
import { type BotsConfig, type Config, parseBotsConfig, parseConfig } from './config/parse-config.ts';
import { printConfig } from './config/print-config.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import { Resources } from './platform/resources.ts';
import type { StopOrder } from './start/cluster-state.ts';

/** sysexits: the configuration is wrong, and starting again will not help. */
const EX_CONFIG = 78;
const CLOSE_MS = 3000;
const ORDER_MS = 200;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

function readConfig<T extends Config | BotsConfig>(parse: (env: NodeJS.ProcessEnv) => T): T {
  try {
    return parse(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EX_CONFIG);
  }
}

/** Its message says all there is to say. */
const isPlain = (cause: unknown): cause is Error =>
  cause instanceof Error && ['FolderInUse', 'FolderUnusable', 'AddressNotFree'].includes(cause.name);

const held = new Resources();

/** A log that nobody takes any more (its disk is full, its reader is gone) ends nothing. */
for (const output of [process.stdout, process.stderr]) output.on('error', () => {});

/** Nothing is known of the state after an exception nobody expected: say it, go, and be started anew. */
function dieOfTheUnexpected(log: Logger): void {
  const die = (what: string) => (cause: unknown) => {
    log.error(what, { cause });
    process.exit(1);
  };
  process.on('uncaughtException', die('an exception that nobody expected ends this process'));
  process.on('unhandledRejection', die('a rejection that nobody expected ends this process'));
}

/** A signal may come several times; what it starts is started once. */
function once<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void {
  let ran = false;
  return (...args) => {
    if (ran) return;
    ran = true;
    run(...args);
  };
}

async function closeAndExit(log: Logger, closeMs: number): Promise<never> {
  try {
    await held.closeAll(closeMs);
    process.exit(0);
  } catch (cause) {
    log.error('not everything could be closed', { cause });
    process.exit(1);
  }
}

async function runPrimary(): Promise<void> {
  const config = readConfig(parseConfig);
  const log = createLogger({ level: config.log.level, format: config.log.format, node: 'main' });
  dieOfTheUnexpected(log);
  const stop = once((signal: NodeJS.Signals) => {
    log.info('ending', { signal });
    void closeAndExit(log, config.processes.shutdownGraceMs + CLOSE_MS);
  });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const started = held.start(async (it) => {
    const { startPrimary } = await import('./start/primary.ts');
    return startPrimary(config, version, it, log, (url) => {
      process.stdout.write(`Parley listens on ${url}\n`);
      process.send?.('ready'); // pm2's wait_ready
    });
  }, CLOSE_MS);
  process.on('SIGHUP', () => {
    log.info('restarting the workers one by one');
    started.then(
      (it) => it.rollingRestart(),
      () => {},
    );
  });
  await started;
}

async function runWorker(worker: Worker): Promise<void> {
  const config = readConfig(parseConfig);
  const name = String(worker.id);
  const log = createLogger({ level: config.log.level, format: config.log.format, node: `worker ${name}` });
  dieOfTheUnexpected(log);
  process.on('disconnect', () => process.exit(0)); // the main process is gone, and with it the writer
  process.on('SIGHUP', () => {}); // means the whole server: the main process sees to it
  const socketDir = process.env.PARLEY_SOCKETS ?? '';
  const stop = once((order: StopOrder) => {
    started
      .then((it) => it.drain(order))
      .then(
        () => closeAndExit(log, CLOSE_MS),
        (cause: unknown) => {
          log.error('this worker could not end in order', { cause });
          process.exit(1);
        },
      );
  });
  // Terminals and supervisors signal the whole group: then the main process is about to say that all are to go.
  const stopAlone = (): void => void setTimeout(stop, ORDER_MS, { all: false });
  process.on('SIGTERM', stopAlone);
  process.on('SIGINT', stopAlone);
  const started = held.start(async (it) => {
    const { startChatWorker } = await import('./start/chat-worker.ts');
    return startChatWorker(config, name, socketDir, version, it, log, stop);
  }, CLOSE_MS);
  await started;
}

async function runBotsAlone(): Promise<void> {
  const config = readConfig(parseBotsConfig);
  const log = createLogger({ ...config.log, node: 'bots' });
  dieOfTheUnexpected(log);
  const stop = once(() => {
    void closeAndExit(log, config.graceMs + CLOSE_MS);
  });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', stop); // its supervisor starts it anew, and other bots go on meanwhile
  const ready = (): void => {
    process.stdout.write(`Parley bots consume ${config.broker.botQueue}\n`);
    process.send?.('ready'); // pm2's wait_ready
  };
  await held.start(async (it) => {
    const { startBots } = await import('./start/bots.ts');
    return startBots(config, it, log, ready);
  }, CLOSE_MS);
}

if (process.argv.includes('--print-config')) process.stdout.write(`${printConfig(process.env)}\n`);
else {
  const runAlone = process.argv.includes('--bots') ? runBotsAlone : runPrimary;
  const role = cluster.worker ? runWorker(cluster.worker) : runAlone();
  role.catch((cause: unknown) => {
    const message = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    process.stderr.write(`${isPlain(cause) ? cause.message : message}\n`);
    process.exit(isPlain(cause) && cause.name === 'FolderUnusable' ? EX_CONFIG : 1);
  });
}
