import type { RoomId } from '../../../chat/model.ts';
import type { Bus, BusListener, NodeEvent, RoomEvent } from '../../../chat/ports/bus.ts';
import type { Link } from '../../../platform/link.ts';
import type { Subscription } from './cluster-bus-relay.ts';

/**
 * The bus of a worker: everything goes through the primary, which knows who subscribed to what. Events of a room stay
 * here while the primary says that nobody else subscribed to it; in doubt they are published.
 */
export class ClusterBus implements Bus {
  readonly #link: Link;
  /** The number of the latest subscription of each room: what is said of an earlier one is not true of this one. */
  readonly #subscribed = new Map<RoomId, number>();
  readonly #alone = new Set<RoomId>();
  #lastNumber = 0;
  #undecided: [RoomId, RoomEvent][] = [];
  /** Something was not published since the notices were last known to be complete. */
  #kept = false;

  constructor(link: Link) {
    this.#link = link;
    link.on('bus.alone', (subscriptions: readonly Subscription[]) => this.#keepTo(subscriptions));
    link.on('bus.shared', (room: RoomId) => void this.#alone.delete(room));
    link.on('bus.alone-only', (subscriptions: readonly Subscription[]) => this.#startOver(subscriptions));
  }

  listen(listener: BusListener): void {
    this.#link.on('bus.room', ([room, event]: [RoomId, string]) => {
      const parsed: RoomEvent = JSON.parse(event);
      listener.onRoom(room, parsed);
    });
    this.#link.on('bus.node', (event: string) => {
      const parsed: NodeEvent = JSON.parse(event);
      listener.onNode(parsed);
    });
    this.#link.on('bus.suspect', () => listener.onSuspect());
    // The primary was stuck and what was published here did not reach the others.
    this.#link.onRecovered(() => this.#link.tell('bus.lost', null));
  }

  subscribe(rooms: readonly RoomId[]): Promise<void> {
    this.#lastNumber += 1;
    for (const room of rooms) {
      this.#subscribed.set(room, this.#lastNumber);
      this.#alone.delete(room);
    }
    return this.#link.call('bus.subscribe', [this.#lastNumber, rooms]);
  }

  unsubscribe(room: RoomId): void {
    this.#subscribed.delete(room);
    this.#alone.delete(room);
    this.#link.tell('bus.unsubscribe', room);
  }

  publish(room: RoomId, event: RoomEvent): void {
    if (!this.#alone.has(room)) {
      this.#send(room, event);
      return;
    }
    // What was told already may still be unread: who learned from the file itself that a message is stored can be ahead
    // of the link.
    if (this.#undecided.length === 0) setImmediate(() => this.#decide());
    this.#undecided.push([room, event]);
  }

  broadcast(event: NodeEvent): void {
    this.#link.tell('bus.broadcast', JSON.stringify(event));
  }

  // Events cross as text: made once here, passed on by the primary without looking inside.
  #send(room: RoomId, event: RoomEvent): void {
    this.#link.tell('bus.publish', [room, JSON.stringify(event)]);
  }

  #decide(): void {
    const undecided = this.#undecided;
    this.#undecided = [];
    for (const [room, event] of undecided) {
      if (this.#alone.has(room)) this.#kept = true;
      else this.#send(room, event);
    }
  }

  #keepTo(subscriptions: readonly Subscription[]): void {
    for (const [room, number] of subscriptions) if (this.#subscribed.get(room) === number) this.#alone.add(room);
  }

  /** This worker was stuck and may have heard too late that it is alone no more: then the others miss what it kept. */
  #startOver(subscriptions: readonly Subscription[]): void {
    this.#alone.clear();
    this.#keepTo(subscriptions);
    if (this.#kept) this.#link.tell('bus.lost', null);
    this.#kept = false;
  }
}
