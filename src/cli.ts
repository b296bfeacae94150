#!/usr/bin/env node
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ConfigError } from './config/config-error.ts';
import { backUpStore, restoreStore } from './start/back-up.ts';
import { issueToken } from './start/issue-token.ts';
import { exportStore, importStore } from './start/move-rooms.ts';
import { printVerification } from './verify/print-verification.ts';
import { verify } from './verify/verify.ts';

const USAGE = `Usage: parley <command>

  verify URL [--tokens FILE] [--clients 20] [--rooms 4] [--seconds 30] [--rate 30] [--drops 30] [--seed N]
      puts a load of real clients on a server and proves that nothing acknowledged is missing, doubled or out of order.
      The clients are guests, or the accounts whose tokens stand in FILE, one a line. --rate: messages a second;
      --drops: connections cut a minute. Exit code: 0 all held, 1 something did not, 2 the load could not be run

  token --name NAME [--user ID] [--roles user,admin] [--type 1|2|3] [--days 30]
      prints a development token, signed with the key in DATA_DIR (embedded accounts only).
      roles: user, admin, service, bot; type: 1 user, 2 service, 3 bot

  backup FILE
      copies the embedded store to FILE, which must not exist, while the server runs
  restore FILE
      puts a back-up in the place of the embedded store; the server must be stopped. Clients load all rooms anew

  export [--room ID]... > FILE
      writes rooms with members, bans and messages as lines of JSON, while the server runs
  import < FILE
      adds exported rooms to the store. SQLite: the server must be stopped. Rooms that exist are refused`;

/** As sysexits has them: wrong use, and a configuration that is wrong. */
const EX_USAGE = 64;
const EX_CONFIG = 78;
/** Of `verify` alone. */
const EX_NOT_RUN = 2;

class UsageError extends Error {}

async function printToken(args: string[]): Promise<void> {
  const { values } = parse(() =>
    parseArgs({
      args,
      options: {
        name: { type: 'string' },
        user: { type: 'string' },
        roles: { type: 'string', default: 'user' },
        type: { type: 'string', default: '1' },
        days: { type: 'string', default: '30' },
      },
    }),
  );
  if (values.name === undefined) throw new UsageError(USAGE);
  const token = await issueToken(process.env, {
    name: values.name,
    ...(values.user === undefined ? {} : { user: values.user }),
    roles: values.roles.split(','),
    type: values.type,
    days: values.days,
  });
  process.stdout.write(`${token}\n`);
}

async function runVerify(args: string[]): Promise<void> {
  const { values, positionals } = parse(() =>
    parseArgs({
      args,
      allowPositionals: true,
      options: {
        tokens: { type: 'string' },
        clients: { type: 'string', default: '20' },
        rooms: { type: 'string', default: '4' },
        seconds: { type: 'string', default: '30' },
        rate: { type: 'string', default: '30' },
        drops: { type: 'string', default: '30' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      },
    }),
  );
  const [url, ...rest] = positionals;
  if (url === undefined || rest.length > 0) throw new UsageError(USAGE);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError('verify needs the http: or https: URL of a server, such as http://127.0.0.1:3000');
  }
  const number = (name: 'clients' | 'rooms' | 'seconds' | 'rate' | 'drops' | 'seed', min: number, max: number) => {
    const value = /^\d{1,9}$/.test(values[name]) ? Number(values[name]) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError(`--${name} must be a whole number from ${min} to ${max}`);
  };
  const options = {
    url,
    ...(values.tokens === undefined ? {} : { tokens: readTokens(values.tokens) }),
    clients: number('clients', 2, 1000),
    rooms: number('rooms', 1, 100),
    seconds: number('seconds', 1, 86_400),
    rate: number('rate', 1, 10_000),
    dropsPerMinute: number('drops', 0, 100_000),
    seed: number('seed', 0, 999_999_999),
  };
  try {
    const result = await verify(options, (line) => process.stderr.write(`${line}\n`));
    process.stdout.write(printVerification(result, options));
    process.exitCode = result.ok ? 0 : 1;
  } catch (cause) {
    process.stderr.write(`verify could not be run: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    process.exitCode = EX_NOT_RUN;
  }
}

function readTokens(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`the file of --tokens cannot be read`, { cause });
  }
  const tokens = text.split(/\s+/).filter((it) => it !== '');
  if (tokens.length < 2) throw new UsageError('the file of --tokens must hold two tokens at least, one a line');
  return tokens;
}

/** What `parseArgs` refuses is wrong use, and its sentence says which. */
function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : USAGE, { cause });
  }
}

function runBackUp([file, ...rest]: string[], verb: string, work: typeof backUpStore): void {
  if (!file || rest.length > 0) throw new UsageError(`usage: parley ${verb} FILE`);
  const { rooms, messages } = work(process.env, file);
  process.stderr.write(`${verb}: ${rooms} rooms with ${messages} messages\n`);
}

async function runExport(args: string[]): Promise<void> {
  const { values } = parse(() => parseArgs({ args, options: { room: { type: 'string', multiple: true } } }));
  // Whoever reads may go away, as `head` does.
  let broken: Error | undefined;
  process.stdout.on('error', (cause) => {
    broken = cause;
  });
  const write = async (line: string): Promise<void> => {
    if (broken) throw broken;
    if (!process.stdout.write(line)) await once(process.stdout, 'drain');
  };
  const { rooms, messages } = await exportStore(process.env, values.room, write);
  process.stderr.write(`export: ${rooms} rooms with ${messages} messages\n`);
}

/** Opened with the first line that is asked for: what comes before somebody listens is lost, and the end with it. */
async function* inputLines(): AsyncGenerator<string> {
  yield* createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
}

async function runImport(args: string[]): Promise<void> {
  if (args.length > 0) throw new UsageError('usage: parley import < FILE');
  const imported = { rooms: 0, messages: 0 };
  const tell = (): void => {
    process.stderr.write(`import: ${imported.rooms} rooms with ${imported.messages} messages\n`);
  };
  try {
    await importStore(process.env, inputLines(), imported);
  } catch (cause) {
    if (imported.rooms > 0) tell();
    throw cause;
  }
  tell();
}

async function run([command, ...args]: string[]): Promise<void> {
  if ([command, ...args].some((it) => it === '--help' || it === '-h')) process.stdout.write(`${USAGE}\n`);
  else if (command === 'token') await printToken(args);
  else if (command === 'verify') await runVerify(args);
  else if (command === 'backup') runBackUp(args, command, backUpStore);
  else if (command === 'restore') runBackUp(args, command, restoreStore);
  else if (command === 'export') await runExport(args);
  else if (command === 'import') await runImport(args);
  else if (command === 'help') process.stdout.write(`${USAGE}\n`);
  else throw new UsageError(USAGE);
}

run(process.argv.slice(2)).catch((cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = cause instanceof ConfigError ? EX_CONFIG : cause instanceof UsageError ? EX_USAGE : 1;
});
