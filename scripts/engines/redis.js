// @ts-check
import { startEngine } from './engine.js';
import { findProgram } from './find-program.js';

export const findRedis = () => findProgram('redis-server');

/** @typedef {import('./engine.js').Engine} Engine */

/** @type {import('./engine.js').EngineKind} */
export const REDIS = {
  name: 'Redis',
  id: 'redis',
  variable: 'TEST_REDIS_URL',
  setting: 'REDIS_URL',
  ports: 1,
  find: findRedis,
  url: (port) => `redis://127.0.0.1:${port}`,
  command: ({ program, dir, port }) => ({
    program,
    args: ['--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--appendonly', 'no', '--dir', `${dir}/data`],
  }),
  question: Buffer.from('PING\r\n'),
  isAnswer: (answer) => answer.toString('latin1').startsWith('+PONG'),
};

/**
 * Keeps nothing: after a restart it is empty.
 * @param {import('./engine.js').EngineOptions} [options]
 */
export const startRedis = (options) => startEngine(REDIS, options);
