import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

/** The processes that run now; those that are dead and only wait to be reaped do not count. */
export function processTable(): ProcessRow[] {
  const rows = existsSync('/proc/self/stat') ? fromProc() : fromPs();
  return rows.flatMap(([pid, state, parent, group]) =>
    pid === undefined || state === undefined || /^[ZX]/.test(state)
      ? []
      : [{ pid: Number(pid), parent: Number(parent), group: Number(group) }],
  );
}

function fromProc(): string[][] {
  // Copied: what Node hands into a test is an array of another realm, which no strict comparison takes for one.
  return [...readdirSync('/proc')]
    .filter((it) => /^\d+$/.test(it))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        // The name in parentheses may hold anything.
        return [[pid, ...stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3)]];
      } catch {
        return []; // gone meanwhile
      }
    });
}

function fromPs(): string[][] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,stat=,ppid=,pgid='], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
}
