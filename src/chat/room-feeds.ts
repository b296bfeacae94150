import type { Head, RoomId } from './model.ts';
import type { Bus, RoomEvent } from './ports/bus.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import type { Store } from './ports/store.ts';
import { type FeedSource, RoomFeed } from './room-feed.ts';

/** A feed without followers is kept this long: whoever reconnects finds its tail. */
const LINGER_MS = 10_000;
const COMPARE_RETRY_MS = 1000;

interface Held {
  readonly feed: RoomFeed;
  followers: number;
  cancelLinger: (() => void) | undefined;
}

export interface RoomFeedsPorts {
  readonly store: Pick<Store, 'heads' | 'messages' | 'changedSince'>;
  readonly bus: Pick<Bus, 'subscribe' | 'unsubscribe'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly deliver: (room: RoomId, event: RoomEvent) => void;
  readonly repaired: (messages: number) => void;
}

/** The feeds of all rooms that somebody on this node follows. */
export class RoomFeeds {
  readonly #ports: RoomFeedsPorts;
  /** What all feeds read from. */
  readonly #source: FeedSource;
  readonly #held = new Map<RoomId, Held>();
  readonly #opening = new Map<RoomId, Promise<void>>();
  /** What came for rooms that are just being opened: it may be newer than the head that is being read. */
  readonly #early = new Map<RoomId, RoomEvent[]>();
  /** Counts suspicions: what is being opened meanwhile may have been read before what was lost. */
  #suspicions = 0;
  #comparing = false;
  #compareAgain = false;
  #cancelCompare: (() => void) | undefined;

  constructor(ports: RoomFeedsPorts) {
    this.#ports = ports;
    const { store } = ports;
    this.#source = {
      messages: (room, window) => store.messages(room, window),
      changedSince: (room, rev, limit) => store.changedSince(room, rev, limit),
      head: async (room) => (await store.heads([room])).get(room),
    };
  }

  get size(): number {
    return this.#held.size;
  }

  get(room: RoomId): RoomFeed | undefined {
    return this.#held.get(room)?.feed;
  }

  /** Takes an event of a room; nothing happens when nobody here follows it. */
  take(room: RoomId, event: RoomEvent): void {
    const feed = this.get(room);
    if (!feed) this.#early.get(room)?.push(event);
    else if (event.kind === 'message') feed.offer(event.message);
    else if (event.kind === 'changed') feed.offerChange(event.change);
    else this.#ports.deliver(room, event);
  }

  /**
   * Follows the rooms until each is released, and resolves with the feeds of those that exist: at most one
   * subscription and one read for all of them. Subscribed first, read second: nothing falls between.
   */
  async follow(rooms: readonly RoomId[]): Promise<Map<RoomId, RoomFeed>> {
    const missing = rooms.filter((room) => !this.#held.has(room) && !this.#opening.has(room));
    if (missing.length > 0) {
      const opening = this.#open(missing).finally(() => {
        for (const room of missing) {
          this.#opening.delete(room);
          this.#early.delete(room);
        }
      });
      for (const room of missing) {
        this.#opening.set(room, opening);
        this.#early.set(room, []);
      }
    }
    await Promise.all(new Set(rooms.flatMap((room) => this.#opening.get(room) ?? [])));
    const feeds = new Map<RoomId, RoomFeed>();
    for (const room of rooms) {
      const held = this.#held.get(room);
      if (!held) continue;
      held.followers += 1;
      held.cancelLinger?.();
      held.cancelLinger = undefined;
      feeds.set(room, held.feed);
    }
    return feeds;
  }

  release(room: RoomId): void {
    const held = this.#held.get(room);
    if (!held) return;
    held.followers -= 1;
    if (held.followers === 0) this.#linger(room);
  }

  /** The room is gone, or nobody follows it any more. */
  drop(room: RoomId): void {
    const held = this.#held.get(room);
    if (!held) return;
    held.cancelLinger?.();
    held.feed.close();
    this.#held.delete(room);
    this.#ports.bus.unsubscribe(room);
  }

  /** Events may have been lost: compares every feed with the store in one read, until the store answers. */
  compareAll(): void {
    this.#suspicions += 1;
    if (this.#comparing) {
      this.#compareAgain = true;
      return;
    }
    if (this.#held.size === 0) return;
    this.#comparing = true;
    this.#compareAgain = false;
    this.#ports.store.heads([...this.#held.keys()]).then(
      (heads) => {
        for (const [room, head] of heads) this.#held.get(room)?.feed.compare(head);
        this.#comparing = false;
        if (this.#compareAgain) this.compareAll();
      },
      (cause: unknown) => {
        this.#comparing = false;
        this.#ports.log.warn('heads could not be compared; trying again', { cause });
        this.#cancelCompare?.();
        this.#cancelCompare = this.#ports.clock.after(COMPARE_RETRY_MS, () => this.compareAll());
      },
    );
  }

  close(): void {
    this.#cancelCompare?.();
    for (const room of [...this.#held.keys()]) this.drop(room);
  }

  #linger(room: RoomId): void {
    const held = this.#held.get(room);
    if (held) held.cancelLinger = this.#ports.clock.after(LINGER_MS, () => this.drop(room));
  }

  async #open(rooms: readonly RoomId[]): Promise<void> {
    const { store, bus, clock, deliver, repaired } = this.#ports;
    const suspicions = this.#suspicions;
    let heads: Map<RoomId, Head>;
    try {
      await bus.subscribe(rooms);
      heads = await store.heads(rooms);
    } catch (cause) {
      for (const room of rooms) bus.unsubscribe(room);
      throw cause;
    }
    for (const room of rooms) {
      const head = heads.get(room);
      if (!head) {
        bus.unsubscribe(room);
        continue;
      }
      const feed = new RoomFeed(room, head, {
        source: this.#source,
        clock,
        repaired,
        deliver: (event) => deliver(room, event),
      });
      this.#held.set(room, { feed, followers: 0, cancelLinger: undefined });
      // Whoever asked for it may not come: another room of the same call could not be opened.
      this.#linger(room);
      const early = this.#early.get(room) ?? [];
      this.#early.delete(room);
      for (const event of early) this.take(room, event);
    }
    if (suspicions !== this.#suspicions) this.compareAll();
  }
}
