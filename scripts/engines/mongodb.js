// @ts-check
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEngine } from './engine.js';
import { findProgram } from './find-program.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** SecantusDB, which speaks MongoDB's protocol; a real `mongod` is used by its address. */
export const findMongodb = () =>
  process.env.SECANTUS
    ? findProgram(process.env.SECANTUS)
    : findProgram(join(root, '.services/venv/bin/secantusd-py'), 'secantusd-py', '/opt/secantus/bin/secantusd-py');

/** @typedef {import('./engine.js').Engine} Engine */

/** @type {import('./engine.js').EngineKind} */
export const MONGODB = {
  name: 'MongoDB',
  id: 'mongodb',
  variable: 'TEST_MONGODB_URI',
  setting: 'MONGODB_URI',
  database: 'chat_srv',
  ports: 1,
  find: findMongodb,
  url: (port, database = '') => `mongodb://127.0.0.1:${port}/${database}?directConnection=true`,
  command: ({ program, dir, port }) => ({
    program,
    args: [
      ...['--host', '127.0.0.1', '--port', `${port}`, '--storage-path', `${dir}/data`],
      ...['--log-level', 'WARNING', '--sync-on-commit', '--enable-test-commands'],
    ],
  }),
  question: hello(),
  isAnswer: (answer) => answer.includes('isWritablePrimary\0\x01', 0, 'latin1'),
};

/** @param {import('./engine.js').EngineOptions} [options] */
export const startMongodb = (options) => startEngine(MONGODB, options);

/** OP_MSG `{hello: 1, $db: 'admin'}`. */
function hello() {
  const fields = Buffer.from('\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0', 'latin1');
  const message = Buffer.alloc(25 + fields.length);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(1, 4); // id of this request
  message.writeInt32LE(2013, 12);
  message.writeInt32LE(4 + fields.length, 21); // after flags and kind of section, both 0
  message.set(fields, 25);
  return message;
}
