import { engines } from '../support/engines.ts';
import { LONG } from './harness/patience.ts';
import { presenceFaults } from './harness/presence-faults.ts';

/** Quicker pings than by default but in the long form: what differs from the embedded parts is who tells whom. */
const PINGS_MS = LONG ? undefined : { interval: 4000, timeout: 3000 };

presenceFaults('production', () => ({ REDIS_URL: engines.redis(), REDIS_KEY: `presence-${process.pid}` }), PINGS_MS);
