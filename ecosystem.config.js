/**
 * For pm2. Settings come from the environment of the `pm2 start` that reads this file, by the same table as everywhere
 * else; nothing is set here but which engines count in production.
 */

/** As long as Parley takes at most to end by itself, and some; pm2 kills what takes longer. */
const endsWithinMs = Number(process.env.SHUTDOWN_GRACE_MS || 10_000) + 5000;

const common = {
  cwd: import.meta.dirname,
  script: 'dist/main.js',
  // The main process forks the workers (INSTANCES) and restarts them by itself: pm2 sees one process per app.
  exec_mode: 'fork',
  instances: 1,
  wait_ready: true,
  listen_timeout: 30_000,
  kill_timeout: endsWithinMs,
  // After 0.1 s at first, growing to 15 s while it dies again and again; never given up.
  exp_backoff_restart_delay: 100,
  // A mistake in the configuration, which starting again does not mend.
  stop_exit_codes: [78],
  // Neither pm2's own probes in every process nor a look at the version control: Parley has /metrics.
  pmx: false,
  vizion: false,
  // Logs without the number of the process in their names.
  merge_logs: true,
  env_production: { ENV: 'production' },
};

export const apps = [
  { ...common, name: 'parley' },
  // Only with a broker: without one the server runs the bots itself.
  { ...common, name: 'parley-bots', args: '--bots' },
];
