import { readdirSync, readFileSync } from 'node:fs';
import { expectStatus, rest } from './rest.ts';

/** What `/metrics` says at the moment: each line's name with its labels, and its value. */
export async function readMetrics(url: string): Promise<Map<string, number>> {
  const { text } = await expectStatus(200, rest(url, 'GET /metrics'));
  const rows = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    rows.map((line): [string, number] => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** Over all labels. */
export const sumOf = (metrics: ReadonlyMap<string, number>, name: string): number =>
  [...metrics].reduce((sum, [key, value]) => (key === name || key.startsWith(`${name}{`) ? sum + value : sum), 0);

/** Resident memory of a process, MiB. */
export function rssOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  if (kib === undefined) throw new Error(`the process ${pid} does not run`);
  return Number(kib) / 1024;
}

/** Descriptors of a process. */
export const openFilesOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
