import type { VerifyOptions, VerifyResult } from './verify.ts';

/** Sentences of one kind that are printed in full. */
const SHOWN = 10;

/** The result as a table for a terminal. */
export function printVerification(result: VerifyResult, options: VerifyOptions): string {
  const { findings, ackMs, backMs } = result;
  const rows: readonly [string, string, string][] = [
    [
      'load',
      `${options.seconds} s, seed ${options.seed}`,
      result.acknowledged > 0 ? 'real' : 'NOTHING WAS ACKNOWLEDGED',
    ],
    ['acknowledged', `${result.acknowledged} of ${result.messages} stored`, verdict(findings.lost, 'lost')],
    ['history', 'seq 1, 2, 3 …, each key once', verdict(findings.broken, 'broken')],
    ['lists', 'each equal to history, element by element', verdict(findings.different, 'different')],
    ['delivery', `${result.cuts} connections cut`, verdict(findings.faults, 'rules broken')],
    ['refusals', '', verdict(result.refusals, 'unexpected')],
    ['receipt', `p50 ${ackMs.p50} ms, p99 ${ackMs.p99} ms, max ${ackMs.max} ms`, ''],
    ['back after a cut', `p50 ${backMs.p50} ms, p99 ${backMs.p99} ms, max ${backMs.max} ms (${backMs.count})`, ''],
  ];
  const widths = [0, 1].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const table = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const wrong = [findings.lost, findings.broken, findings.different, findings.faults, result.refusals].flatMap((it) =>
    it.slice(0, SHOWN).map((line) => `- ${line}`),
  );
  return `${[...table, ...wrong, result.ok ? 'ALL HELD' : 'NOT ALL HELD'].join('\n')}\n`;
}

const verdict = (found: readonly string[], word: string): string => `${found.length} ${word}`;
