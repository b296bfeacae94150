import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printFigures } from '../../support/print-figures.ts';

/** What a fault run measured: a row of docs/reliability.md. */
export interface FaultFigures {
  /** The run's name: `R1`. */
  readonly run: string;
  /** What it ran over; `plain` is the server to compare with, which must do worse. */
  readonly over: 'embedded' | 'production' | 'plain';
  /** What was done, with counts: `kill -9 of a random worker, 12 times`. */
  readonly fault: string;
  /** How it is known that the fault was met: `12 pids changed, 143 connections cut`. */
  readonly bite: string;
  /** `limit` is what was asserted; without one the figure is told only. */
  readonly figures: readonly { readonly what: string; readonly value: string; readonly limit?: string }[];
}

/** Prints the figures, and keeps them as `<run>-<over>.json` in the folder that FAULTS_OUT names, if it names one. */
export function recordFigures(it: FaultFigures): void {
  const told = it.figures.map(
    ({ what, value, limit }) => `${what} ${value}${limit === undefined ? '' : ` (${limit})`}`,
  );
  printFigures(`${it.run}, ${it.over}: ${it.fault}; ${it.bite}`, told);
  const folder = process.env.FAULTS_OUT;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${it.run}-${it.over}.json`), `${JSON.stringify(it, null, 2)}\n`);
}
