import type { Losses, Verdict } from './judge.ts';
import { LOOP_DELAY_MS, type Load, type LoadResult } from './load.ts';
import type { FaultFigures } from './record-figures.ts';

type Figures = FaultFigures['figures'];

/** Told of every server, the plain one too. */
export const lossFigures = (
  { acknowledged, missed, due, missing }: Losses,
  { sent, unsettled }: LoadResult,
): Figures => [
  { what: 'messages without a receipt at the end', value: `${unsettled} of ${sent}`, limit: '0' },
  { what: 'acknowledged messages that a member never got', value: `${missed} of ${acknowledged}`, limit: '0' },
  { what: 'deliveries missing', value: `${missing} of ${due}`, limit: '0' },
];

/** Told of what keeps a log. */
export function logFigures({ findings, stored }: Verdict, { answers }: Load, { journals }: LoadResult): Figures {
  const unknown = answers.filter((it) => it.outcome === 'unknown').length;
  return [
    { what: 'acknowledged and not in the history', value: String(findings.lost.length), limit: '0' },
    { what: 'holes, doubles, strangers', value: `${findings.broken.length} in ${stored}`, limit: '0' },
    {
      what: 'lists that are not the history',
      value: `${findings.different.length} of ${journals.length}`,
      limit: '0',
    },
    { what: 'rules of delivery broken', value: String(findings.faults.length), limit: '0' },
    { what: 'outcomes unknown, and settled by sending again', value: String(unknown) },
  ];
}

/** What the measuring itself took, the load's process, and how much of the machine everything took together. */
export const generatorFigures = ({ loopDelayMs, cpuShare, machineShare }: LoadResult): Figures => [
  {
    what: 'loop delay of the load itself',
    value: `p99 ${Math.round(loopDelayMs)} ms`,
    limit: `<= ${LOOP_DELAY_MS} ms, else void`,
  },
  { what: 'taken by the load', value: `${Math.round(cpuShare * 100)} % of a core` },
  { what: 'taken by everything', value: `${Math.round(machineShare * 100)} % of all cores` },
];

/** Of the server that is only compared with: nothing is asked of it. */
export const unlimited = (figures: Figures): Figures => figures.map(({ what, value }) => ({ what, value }));
