// The part of docs/reliability.md that scripts/faults.js writes: a section per file of test/faults.
import { cpus, totalmem } from 'node:os';

const BEGIN = '<!-- written by npm run faults: begin -->';
const END = '<!-- written by npm run faults: end -->';
const SECTION = /<!-- run (\S+) -->\n(.*?)<!-- end of run -->\n/gs;
/** In the order of the columns. */
const SET_UPS = ['embedded', 'production', 'plain'];

/** Name of the file → its section, as the page has it. */
export function splitSections(text) {
  return new Map([...partsOf(text).written.matchAll(SECTION)].map(([, name, section]) => [name, section]));
}

/** The page with these sections, in the order of their numbers. */
export function joinSections(text, sections) {
  const { before, after } = partsOf(text);
  const rank = (section) => Number(/^### [A-Z](\d+)/.exec(section)?.[1] ?? Infinity);
  const sorted = [...sections].sort(([a, one], [b, other]) => rank(one) - rank(other) || a.localeCompare(b));
  const written = sorted.map(([name, section]) => `<!-- run ${name} -->\n${section}<!-- end of run -->\n`);
  return `${before}${BEGIN}\n\n${written.join('\n')}\n${END}${after}`;
}

function partsOf(text) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page has no place between ${BEGIN} and ${END}`);
  return {
    before: text.slice(0, begin),
    written: text.slice(begin + BEGIN.length, end),
    after: text.slice(end + END.length),
  };
}

/** Undefined where there is nothing to tell. */
export function writeSection({ name, held, seconds, short, results }) {
  if (results.length === 0 && held) return undefined;
  const when = new Date().toISOString().slice(0, 10);
  const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const verdict = held ? 'all of it held' : '**IT FAILED**';
  const command = `npm run faults -- ${short ? '--short ' : ''}${name}`;
  const head = `\`${command}\`: ${when}, ${short ? 'short' : 'long'} form, ${seconds} s, ${machine}; ${verdict}.\n`;
  if (results.length === 0) return `### ${name}\n\n${head}\nIt ended before it could tell anything.\n\n`;
  const runs = [...new Set(results.map((it) => it.run))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return runs
    .map((run, n) => {
      const own = SET_UPS.flatMap((over) => results.filter((it) => it.run === run && it.over === over));
      return `### ${run}: ${own[0].fault}\n\n${n === 0 ? `${head}\n` : ''}${tableOf(own)}\n`;
    })
    .join('');
}

function tableOf(results) {
  const limitOf = (what) =>
    results.flatMap(({ figures }) => figures).find((it) => it.what === what && it.limit)?.limit ?? '';
  const whats = [...new Set(results.flatMap(({ figures }) => figures.map((it) => it.what)))];
  const [{ fault }] = results;
  const rows = [
    ['', 'limit', ...results.map((it) => it.over)],
    ['---', '---', ...results.map(() => '---')],
    ...(results.some((it) => it.fault !== fault) ? [['fault', '', ...results.map((it) => it.fault)]] : []),
    ['the fault was met', '', ...results.map((it) => it.bite)],
    ...whats.map((what) => [
      what,
      limitOf(what),
      ...results.map(({ figures }) => figures.find((it) => it.what === what)?.value ?? '–'),
    ]),
  ];
  return rows.map((row) => `| ${row.map(cellOf).join(' | ')} |\n`).join('');
}

const cellOf = (cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;');
