#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { ConfigError } from './config/config-error.ts';
import { issueToken } from './start/issue-token.ts';

const USAGE = `Usage: parley token --name NAME [--user ID] [--roles user,admin] [--type 1|2|3] [--days 30]

  token   prints a development token, signed with the key in DATA_DIR (embedded accounts only).
          roles: user, admin, service, bot; type: 1 user, 2 service, 3 bot`;

/** sysexits: wrong use. */
const EX_USAGE = 64;

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      user: { type: 'string' },
      roles: { type: 'string', default: 'user' },
      type: { type: 'string', default: '1' },
      days: { type: 'string', default: '30' },
      help: { type: 'boolean', default: false },
    },
  });
  const [command, ...rest] = positionals;
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  if (command !== 'token' || rest.length > 0 || values.name === undefined) throw new Error(USAGE);
  const token = await issueToken(process.env, {
    name: values.name,
    ...(values.user === undefined ? {} : { user: values.user }),
    roles: values.roles.split(','),
    type: values.type,
    days: values.days,
  });
  process.stdout.write(`${token}\n`);
}

run().catch((cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause);
  process.stderr.write(`${message}\n`);
  process.exitCode = cause instanceof ConfigError ? 78 : EX_USAGE;
});
