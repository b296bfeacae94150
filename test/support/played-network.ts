import type { Bus, BusListener, NodeEvent, RoomEvent } from '../../src/chat/ports/bus.ts';
import type { Clock } from '../../src/chat/ports/clock.ts';

interface Node {
  readonly rooms: Set<string>;
  listener: BusListener | undefined;
}

/** A bus between nodes of one process that does what real ones do at their worst. */
export class PlayedNetwork {
  readonly #clock: Clock;
  readonly #nodes: Node[] = [];
  /** All that was said, in its order; by whom it was heard does not matter. */
  readonly told: (NodeEvent | RoomEvent)[] = [];
  /** How often a receiver gets what was said: 0 loses, 2 doubles. */
  copies: () => number = () => 1;
  delayMs: () => number = () => 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What was said since the last call, each as JSON would carry it. */
  takeTold(): (NodeEvent | RoomEvent)[] {
    return this.told.splice(0);
  }

  /** Tells every node that something may have been lost. */
  suspect(): void {
    for (const node of this.#nodes) node.listener?.onSuspect();
  }

  join(): Bus {
    const own: Node = { rooms: new Set(), listener: undefined };
    this.#nodes.push(own);
    const spread = (event: NodeEvent | RoomEvent, wanted: (node: Node) => boolean, tell: (to: BusListener) => void) => {
      this.told.push(event);
      for (const node of this.#nodes) {
        if (node === own) continue;
        for (let copies = this.copies(); copies > 0; copies -= 1) {
          const arrive = (): void => {
            if (node.listener && wanted(node)) tell(node.listener);
          };
          const delayMs = this.delayMs();
          if (delayMs > 0) this.#clock.after(delayMs, arrive);
          else arrive();
        }
      }
    };
    return {
      listen: (listener) => {
        own.listener = listener;
      },
      subscribe: async (rooms) => {
        for (const room of rooms) own.rooms.add(room);
      },
      unsubscribe: (room) => void own.rooms.delete(room),
      publish: (room, event) =>
        spread(
          event,
          (node) => node.rooms.has(room),
          (to) => to.onRoom(room, event),
        ),
      broadcast: (event) =>
        spread(
          event,
          () => true,
          (to) => to.onNode(event),
        ),
    };
  }
}
