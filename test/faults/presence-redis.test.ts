import { engines } from '../support/engines.ts';
import { presenceFaults } from './presence-faults.ts';

presenceFaults('production', () => ({ REDIS_URL: engines.redis(), REDIS_KEY: `presence-${process.pid}` }));
