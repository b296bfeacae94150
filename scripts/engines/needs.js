// @ts-check
import { findChromium } from './chromium.js';
import { MONGODB } from './mongodb.js';
import { findNginx } from './nginx.js';
import { RABBITMQ } from './rabbitmq.js';
import { REDIS } from './redis.js';

/**
 * What some tests need besides Node.
 * @typedef {object} Need
 * @property {string} name
 * @property {RegExp} files the tests that cannot run without it
 * @property {() => string | undefined} find its program, where it is installed
 * @property {string} variable that tells tests where it is
 * @property {string[]} packages of Debian
 * @property {string[]} [commands] after that
 * @property {import('./engine.js').EngineKind} [kind] where it is started once for all of them
 */

const VENV = '.services/venv';

/** @type {Need[]} */
export const NEEDS = [
  {
    name: 'Chromium',
    files: /\/test\/page\//,
    find: findChromium,
    variable: 'CHROMIUM',
    packages: ['chromium'],
  },
  {
    name: 'nginx',
    files: /nginx[^/]*\.test\.ts$/,
    find: findNginx,
    variable: 'NGINX',
    packages: ['nginx'],
  },
  {
    ...REDIS,
    kind: REDIS,
    files: /-redis\.test\.ts$|\/test\/production\//,
    packages: ['redis-server'],
  },
  {
    ...MONGODB,
    kind: MONGODB,
    files: /-mongodb\.test\.ts$|\/test\/production\//,
    packages: ['python3-venv'],
    commands: [`python3 -m venv ${VENV}`, `${VENV}/bin/pip install --quiet secantusdb==0.7.0b3`],
  },
  {
    ...RABBITMQ,
    kind: RABBITMQ,
    files: /-rabbitmq\.test\.ts$|\/test\/production\//,
    packages: ['rabbitmq-server'],
  },
];

/**
 * The lines of shell that install these on Debian, in the checkout.
 * @param {readonly Need[]} needs
 * @param {string} [sudo]
 */
export function installLines(needs, sudo = process.getuid?.() === 0 ? '' : 'sudo ') {
  if (needs.length === 0) return [];
  const packages = needs.flatMap((it) => it.packages).join(' ');
  return [
    `${sudo}apt-get update -q`,
    `${sudo}apt-get install -q -y --no-install-recommends ${packages}`,
    ...needs.flatMap((it) => it.commands ?? []),
  ];
}
