import type { RoomId } from './model.ts';
import type { Bus, NodeEvent, RoomEvent } from './ports/bus.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import type { Store } from './ports/store.ts';
import { RoomFeeds } from './room-feeds.ts';

/** The edge that holds this node's clients. */
export interface HubListener {
  /** In order: messages by seq, changes by rev. */
  onRoom(room: RoomId, event: RoomEvent): void;
  onNode(event: NodeEvent): void;
}

export interface HubPorts {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each repair of a room's feed, with the number of messages the store supplied. */
  readonly repaired: (messages: number) => void;
}

/**
 * Where facts are told: each goes to this node's clients at once and over the bus to the others. Messages and changes
 * pass the room's feed on every node, this one too, so that all clients hear them in one order.
 */
export class Hub {
  readonly feeds: RoomFeeds;
  readonly #bus: Bus;
  readonly #listeners = new Set<HubListener>();
  readonly #suspectListeners = new Set<() => void>();

  constructor({ bus, store, clock, log, repaired }: HubPorts) {
    this.#bus = bus;
    this.feeds = new RoomFeeds({
      store,
      bus,
      clock,
      log,
      repaired,
      deliver: (room, event) => this.#deliver(room, event),
    });
    bus.listen({
      onRoom: (room, event) => this.feeds.take(room, event),
      onNode: (event) => this.#tellNode(event),
      onSuspect: () => this.suspect(),
    });
  }

  /** Something may have been lost: every room that is followed here is compared with the store. */
  suspect(): void {
    this.feeds.compareAll();
    for (const listener of this.#suspectListeners) listener();
  }

  listen(listener: HubListener): void {
    this.#listeners.add(listener);
  }

  /** Another node died or the bus was away: what it had under way may be unfinished. */
  onSuspect(listener: () => void): void {
    this.#suspectListeners.add(listener);
  }

  /** Tells what happened in a room to everybody who follows it. */
  tellRoom(room: RoomId, event: RoomEvent): void {
    this.feeds.take(room, event);
    this.#bus.publish(room, event);
  }

  /** Tells every node. */
  tellAll(event: NodeEvent): void {
    this.#tellNode(event);
    this.#bus.broadcast(event);
  }

  #deliver(room: RoomId, event: RoomEvent): void {
    for (const listener of this.#listeners) listener.onRoom(room, event);
  }

  #tellNode(event: NodeEvent): void {
    for (const listener of this.#listeners) listener.onNode(event);
    if (event.kind === 'deleted') this.feeds.drop(event.room.id);
  }
}
