import type { Env } from '../../support/spawn-server.ts';

/** Environment of a server whose processes run `code` on SIGUSR2: faults from within, without a switch in the product. */
export const actOnSignal = (code: string): Env => {
  const module = `process.on('SIGUSR2', () => { ${code} })`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` };
};
