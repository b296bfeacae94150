import type { Clock } from '../chat/ports/clock.ts';
import type { Log } from '../chat/ports/log.ts';
import type { Store } from '../chat/ports/store.ts';
import { shareReads } from '../chat/share-reads.ts';
import type { StoreConfig } from '../config/parse-config.ts';
import type { Link } from '../platform/link.ts';
import type { Reach } from '../platform/reach.ts';
import type { Resources } from '../platform/resources.ts';
import { TOPICS } from './cluster-state.ts';
import { countReads, type StoreRead } from './count-reads.ts';

export interface StoreStats {
  /** Commits, writes in them, and what failed: commits, with MongoDB every operation. */
  readonly batches: number;
  readonly writes: number;
  readonly failures: number;
}

export interface OpenedStore {
  readonly store: Store;
  /** For readiness. */
  readonly reach: () => Reach;
  /** Only where this process writes by itself. */
  readonly stats?: () => StoreStats;
}

interface StoreParts {
  readonly link: Link;
  readonly clock: Clock;
  /** Whether the primary, which writes the embedded store, sees its disk fail. */
  readonly isWriterAway: () => boolean;
  /** The store has come (back): what was under way while it was away may be unfinished. */
  readonly onBack: () => void;
  /** Told of each read that reaches the store. */
  readonly onRead: (read: StoreRead) => void;
  readonly held: Resources;
  readonly log: Log;
}

/** The store as a worker uses it. What is not chosen is not loaded: a worker is replaced in less time. */
export async function openStore(config: StoreConfig, parts: StoreParts): Promise<OpenedStore> {
  const opened = await openDriver(config, parts);
  return { ...opened, store: shareReads(countReads(opened.store, parts.onRead), parts.clock) };
}

async function openDriver(config: StoreConfig, parts: StoreParts): Promise<OpenedStore> {
  const { link, isWriterAway, onBack, held, log } = parts;
  switch (config.kind) {
    case 'sqlite': {
      const { SqliteStore } = await import('../drivers/store/sqlite/sqlite-store.ts');
      const opened = await SqliteStore.open(config.dir, (write) => link.call(TOPICS.write, write));
      const store = held.own('store', opened, (it) => it.close());
      return { store, reach: () => (isWriterAway() ? 'away' : 'here') };
    }
    case 'mongodb': {
      const { MongoStore } = await import('../drivers/store/mongodb/mongo-store.ts');
      const store = held.own('store', MongoStore.open({ uri: config.uri, log, onBack }), (it) => it.close());
      return { store, reach: () => store.reach, stats: () => store.stats };
    }
    default:
      return config satisfies never;
  }
}
