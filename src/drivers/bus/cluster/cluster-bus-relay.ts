import type { RoomId } from '../../../chat/model.ts';
import type { Link } from '../../../platform/link.ts';

/** The primary's part of the bus: a room's event goes only to the workers that subscribed to the room. */
export class ClusterBusRelay {
  readonly #links = new Map<Link, Set<RoomId>>();
  readonly #subscribers = new Map<RoomId, Set<Link>>();

  attach(link: Link): void {
    const own = new Set<RoomId>();
    this.#links.set(link, own);
    link.handle('bus.subscribe', (rooms: readonly RoomId[]) => {
      for (const room of rooms) {
        own.add(room);
        const subscribers = this.#subscribers.get(room) ?? new Set();
        this.#subscribers.set(room, subscribers.add(link));
      }
    });
    link.on('bus.unsubscribe', (room: RoomId) => this.#unsubscribe(link, room));
    link.on('bus.publish', (event: readonly [room: RoomId, event: string]) => {
      for (const subscriber of this.#subscribers.get(event[0]) ?? []) {
        if (subscriber !== link) subscriber.tell('bus.room', event);
      }
    });
    link.on('bus.broadcast', (event: string) => {
      for (const other of this.#links.keys()) if (other !== link) other.tell('bus.node', event);
    });
    link.onRecovered(() => link.tell('bus.suspect', null));
    link.on('bus.lost', () => this.#suspect(link));
  }

  /** A worker is gone: what it stored and did not announce is announced by the others. */
  detach(link: Link): void {
    for (const room of this.#links.get(link) ?? []) this.#unsubscribe(link, room);
    this.#links.delete(link);
    this.#suspect(link);
  }

  #suspect(of: Link): void {
    for (const other of this.#links.keys()) if (other !== of) other.tell('bus.suspect', null);
  }

  #unsubscribe(link: Link, room: RoomId): void {
    this.#links.get(link)?.delete(room);
    const subscribers = this.#subscribers.get(room);
    subscribers?.delete(link);
    if (subscribers?.size === 0) this.#subscribers.delete(room);
  }
}
