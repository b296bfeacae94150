import type { RoomId, UserId } from '../chat/model.ts';
import { type Encoded, frameOf, handFrames, joinFrames } from './hand-frames.ts';
import { members } from './socket-rooms.ts';
import type { ChatNamespace } from './socket-types.ts';
import { type WindowLength, WriteWindow } from './write-window.ts';

/** As in the rooms' windows: the longer, the more was written last. A change is to be seen everywhere within 1 s. */
const WINDOW: WindowLength = { perWriteMs: 0.2, minMs: 5, maxMs: 250 };

interface Status {
  readonly status: 1 | 2;
  readonly rooms: readonly RoomId[];
}

/**
 * Tells who came and who went. Alone that goes out at once. When a thousand come back at the same time each of them is
 * told to everybody in their rooms, which grows with the square of the herd: so the changes of a window are one write per
 * socket, and of several changes of a user only the last counts.
 */
export class StatusWriter {
  readonly #namespace: ChatNamespace;
  readonly #window = new WriteWindow(WINDOW, () => this.#flush());
  #pending = new Map<UserId, Status>();

  constructor(namespace: ChatNamespace) {
    this.#namespace = namespace;
  }

  write(user: UserId, status: 1 | 2, rooms: readonly RoomId[]): void {
    if (rooms.length === 0) return;
    // Behind what came since the former change: the order of the last ones is what shows.
    this.#pending.delete(user);
    this.#pending.set(user, { status, rooms });
    this.#window.schedule();
  }

  close(): void {
    this.#window.cancel();
    this.#pending.clear();
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = new Map();
    const { adapter, sockets } = this.#namespace;
    const told = new Map<string, Encoded[]>();
    for (const [user, { status, rooms }] of pending) {
      const push = { user, status };
      const frame = frameOf(this.#namespace, 'status', push);
      const event: Encoded = { frame, emit: (socket) => void socket.emit('status', push) };
      for (const room of rooms) {
        for (const id of adapter.rooms.get(members(room)) ?? []) {
          const events = told.get(id);
          if (!events) told.set(id, [event]);
          // Rooms are shared with many: a socket in several of them hears it once.
          else if (events.at(-1) !== event) events.push(event);
        }
      }
    }
    for (const [id, events] of told) {
      const socket = sockets.get(id);
      if (socket) handFrames(socket, events, joinFrames(events));
    }
    this.#window.written(told.size);
  }
}
