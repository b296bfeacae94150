// @ts-check
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { until } from './until.js';

/** For an orderly end; then it is killed. */
const GRACE_MS = 6000;
const KILLED_MS = 10_000;

/**
 * Resolves when no process of the group is left.
 * @param {number} pid of its leader, which may be gone already
 * @param {NodeJS.Signals} signal
 */
export async function endGroup(pid, signal) {
  signalGroup(pid, signal);
  signalGroup(pid, 'SIGCONT'); // a frozen one does not hear it otherwise
  const gone = () => !isGroupRunning(pid);
  if (signal !== 'SIGKILL') {
    const orderly = await until('ended', gone, GRACE_MS).then(
      () => true,
      () => false,
    );
    if (orderly) return;
    signalGroup(pid, 'SIGKILL');
  }
  await until(`process group ${pid} is gone`, gone, KILLED_MS);
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
export function signalGroup(pid, signal) {
  if (isGroupRunning(pid)) {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // Gone in between.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/**
 * Those that are dead and only wait to be reaped do not count.
 * @param {number} pid
 */
export function isGroupRunning(pid) {
  if (pid <= 1) return false; // to these, a signal would go to everybody
  if (!existsSync('/proc/self/stat')) return canSignal(-pid);
  return readdirSync('/proc').some((it) => {
    if (!/^\d+$/.test(it)) return false;
    const stat = statOf(Number(it));
    return stat !== undefined && Number(stat[2]) === pid && !/^[ZX]/.test(stat[0] ?? '');
  });
}

/**
 * Tells a process from a later one that was given the same id; '' when there is none, or no way to tell.
 * @param {number} pid
 */
export function birthOf(pid) {
  return statOf(pid)?.[19] ?? '';
}

/**
 * The fields after the name, which is in parentheses and may hold anything: state, parent, group, …
 * @param {number} pid
 */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function canSignal(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
