// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs';
import { startEngine } from './engine.js';
import { findProgram } from './find-program.js';

/** Not the wrapper in /usr/sbin, which wants a user of its own. */
export const findRabbitmq = () => findProgram('/usr/lib/rabbitmq/bin/rabbitmq-server');

/** @typedef {import('./engine.js').Engine} Engine */

/** @type {import('./engine.js').EngineKind} */
export const RABBITMQ = {
  name: 'RabbitMQ',
  id: 'rabbitmq',
  variable: 'TEST_AMQP_URL',
  setting: 'AMQP_URL',
  ports: 3, // for clients, for other nodes, for epmd
  find: findRabbitmq,
  url: (port) => `amqp://guest:guest@127.0.0.1:${port}/%2F`,
  command: ({ program, dir, port }) => {
    mkdirSync(`${dir}/home`, { recursive: true });
    writeFileSync(`${dir}/rabbitmq.conf`, `listeners.tcp.1 = 127.0.0.1:${port}\n`);
    writeFileSync(`${dir}/plugins`, '[].\n');
    return {
      program: '/bin/sh',
      // Where there is no epmd, Erlang starts one that leaves the group and stays for ever.
      args: ['-c', 'epmd & until epmd -names >/dev/null 2>&1; do sleep 0.02; done; exec "$1"', 'rabbitmq', program],
      env: {
        HOME: `${dir}/home`,
        RABBITMQ_NODENAME: `t${port}@localhost`,
        RABBITMQ_MNESIA_BASE: `${dir}/data`,
        RABBITMQ_LOG_BASE: `${dir}/logs`,
        RABBITMQ_CONFIG_FILE: `${dir}/rabbitmq.conf`,
        RABBITMQ_ENABLED_PLUGINS_FILE: `${dir}/plugins`,
        RABBITMQ_PID_FILE: `${dir}/pid`,
        RABBITMQ_DIST_PORT: `${port + 1}`,
        ERL_EPMD_PORT: `${port + 2}`,
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none',
      },
    };
  },
  question: Buffer.from('AMQP\0\0\x09\x01', 'latin1'),
  // A method frame; what is not ready, or speaks another version, answers with a header of its own or not at all.
  isAnswer: (answer) => answer[0] === 1,
};

/** @param {import('./engine.js').EngineOptions} [options] */
export const startRabbitmq = (options) => startEngine(RABBITMQ, options);
