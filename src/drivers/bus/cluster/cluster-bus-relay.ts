import type { RoomId } from '../../../chat/model.ts';
import type { Link } from '../../../platform/link.ts';

/** A room with the number that its subscriber gave to its latest subscription of it. */
export type Subscription = readonly [room: RoomId, number: number];

/**
 * The primary's part of the bus: a room's event goes only to the workers that subscribed to the room. Each worker is told
 * of which rooms it is the only subscriber: what it would publish there would go nowhere.
 *
 * That must not cost the next subscriber an event. The former only one is told `bus.shared` before the new one is
 * answered, on the link that brings the store's answers too, and in their order. So what it heard to be stored before
 * `bus.shared`, and did not publish, was committed before the new subscriber reads the store.
 */
export class ClusterBusRelay {
  readonly #links = new Map<Link, Map<RoomId, number>>();
  readonly #subscribers = new Map<RoomId, Set<Link>>();

  attach(link: Link): void {
    this.#links.set(link, new Map());
    link.handle('bus.subscribe', ([number, rooms]: readonly [number, readonly RoomId[]]) =>
      this.#subscribe(link, number, rooms),
    );
    link.on('bus.unsubscribe', (room: RoomId) => this.#unsubscribe(link, [room]));
    link.on('bus.publish', (event: readonly [room: RoomId, event: string]) => {
      for (const subscriber of this.#subscribers.get(event[0]) ?? []) {
        if (subscriber !== link) subscriber.tell('bus.room', event);
      }
    });
    link.on('bus.broadcast', (event: string) => {
      for (const other of this.#links.keys()) if (other !== link) other.tell('bus.node', event);
    });
    link.onRecovered(() => {
      link.tell('bus.suspect', null);
      // Any of these notices may be among what was dropped.
      link.tell('bus.alone-only', this.#aloneIn(link));
    });
    link.on('bus.lost', () => this.#suspect(link));
  }

  /** A worker is gone: what it stored and did not announce is announced by the others. */
  detach(link: Link): void {
    this.#unsubscribe(link, [...(this.#links.get(link)?.keys() ?? [])]);
    this.#links.delete(link);
    this.#suspect(link);
  }

  #suspect(of: Link): void {
    for (const other of this.#links.keys()) if (other !== of) other.tell('bus.suspect', null);
  }

  /** Tells before it returns, which is before the call is answered. */
  #subscribe(link: Link, number: number, rooms: readonly RoomId[]): void {
    const alone: Subscription[] = [];
    for (const room of rooms) {
      const subscribers = this.#subscribers.get(room) ?? new Set();
      const former = onlyOneOf(subscribers);
      this.#subscribers.set(room, subscribers.add(link));
      this.#links.get(link)?.set(room, number);
      if (subscribers.size === 1) alone.push([room, number]);
      else if (former && subscribers.size === 2) former.tell('bus.shared', room);
    }
    if (alone.length > 0) link.tell('bus.alone', alone);
  }

  #unsubscribe(link: Link, rooms: readonly RoomId[]): void {
    const alone = new Map<Link, Subscription[]>();
    for (const room of rooms) {
      this.#links.get(link)?.delete(room);
      const subscribers = this.#subscribers.get(room);
      if (!subscribers?.delete(link)) continue;
      if (subscribers.size === 0) this.#subscribers.delete(room);
      const last = onlyOneOf(subscribers);
      const number = last && this.#links.get(last)?.get(room);
      if (last === undefined || number === undefined) continue;
      const subscriptions = alone.get(last) ?? [];
      alone.set(last, subscriptions);
      subscriptions.push([room, number]);
    }
    for (const [last, subscriptions] of alone) last.tell('bus.alone', subscriptions);
  }

  #aloneIn(link: Link): Subscription[] {
    return [...(this.#links.get(link) ?? [])].filter(([room]) => this.#subscribers.get(room)?.size === 1);
  }
}

function onlyOneOf(links: ReadonlySet<Link>): Link | undefined {
  if (links.size !== 1) return undefined;
  const [only] = links;
  return only;
}
