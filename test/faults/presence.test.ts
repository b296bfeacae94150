import { presenceFaults } from './harness/presence-faults.ts';

presenceFaults('embedded', () => ({}));
