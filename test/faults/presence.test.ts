import { presenceFaults } from './presence-faults.ts';

presenceFaults('embedded', () => ({}));
