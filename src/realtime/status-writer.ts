import type { RoomId, UserId } from '../chat/model.ts';
import { type Encoded, handFrames, joinFrames } from './hand-frames.ts';
import { members } from './socket-rooms.ts';
import type { ChatNamespace } from './socket-types.ts';
import { wsTextFrame } from './ws-text-frame.ts';

/** As in the rooms' windows: the longer, the more was written last. A change is to be seen everywhere within 1 s. */
const WINDOW_MS_PER_WRITE = 0.2;
const WINDOW_MS = { min: 5, max: 250 };

interface Status {
  readonly status: 1 | 2;
  readonly rooms: readonly RoomId[];
}

/**
 * Tells who came and who went. Alone that goes out at once. When a thousand come back at the same time each of them is
 * told to everybody in their rooms, which grows with the square of the herd and was its largest cost: so the changes of a
 * window are one write per socket, and of several changes of a user only the last counts.
 */
export class StatusWriter {
  readonly #namespace: ChatNamespace;
  #pending = new Map<UserId, Status>();
  #flushedAt = 0;
  #waitMs = 0;
  #cancel: (() => void) | undefined;

  constructor(namespace: ChatNamespace) {
    this.#namespace = namespace;
  }

  write(user: UserId, status: 1 | 2, rooms: readonly RoomId[]): void {
    if (rooms.length === 0) return;
    // Behind what came since the former change: the order of the last ones is what shows.
    this.#pending.delete(user);
    this.#pending.set(user, { status, rooms });
    this.#cancel ??= this.#schedule();
  }

  close(): void {
    this.#cancel?.();
    this.#pending.clear();
  }

  #schedule(): () => void {
    const waitMs = this.#flushedAt + this.#waitMs - performance.now();
    if (waitMs <= 0) {
      const immediate = setImmediate(() => this.#flush());
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(() => this.#flush(), waitMs);
    return () => clearTimeout(timer);
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = new Map();
    this.#cancel = undefined;
    const { adapter, sockets } = this.#namespace;
    const told = new Map<string, Encoded[]>();
    for (const [user, { status, rooms }] of pending) {
      const push = { user, status };
      const frame = wsTextFrame(`42${this.#namespace.name},${JSON.stringify(['status', push])}`);
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
    this.#waitMs = Math.min(WINDOW_MS.max, Math.max(WINDOW_MS.min, told.size * WINDOW_MS_PER_WRITE));
    this.#flushedAt = performance.now();
  }
}
