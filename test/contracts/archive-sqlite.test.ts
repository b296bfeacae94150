import { archiveContract, sqlitePlace } from './archive-contract.ts';

archiveContract('sqlite', sqlitePlace);
