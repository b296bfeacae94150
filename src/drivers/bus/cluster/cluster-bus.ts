import type { RoomId } from '../../../chat/model.ts';
import type { Bus, BusListener, NodeEvent, RoomEvent } from '../../../chat/ports/bus.ts';
import type { Link } from '../../../platform/link.ts';

/** The bus of a worker: everything goes through the primary, which knows who subscribed to what. */
export class ClusterBus implements Bus {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
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
    return this.#link.call('bus.subscribe', rooms);
  }

  unsubscribe(room: RoomId): void {
    this.#link.tell('bus.unsubscribe', room);
  }

  // Events cross as text: made once here, passed on by the primary without looking inside.
  publish(room: RoomId, event: RoomEvent): void {
    this.#link.tell('bus.publish', [room, JSON.stringify(event)]);
  }

  broadcast(event: NodeEvent): void {
    this.#link.tell('bus.broadcast', JSON.stringify(event));
  }
}
