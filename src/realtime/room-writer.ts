import type { RoomId } from '../chat/model.ts';
import type { RoomEvent } from '../chat/ports/bus.ts';
import type { PushOf } from '../wire/socket.ts';
import { type Encoded, handFrames, joinFrames } from './hand-frames.ts';
import { members, readers, user } from './socket-rooms.ts';
import type { ChatNamespace } from './socket-types.ts';
import { wsTextFrame } from './ws-text-frame.ts';

/**
 * What goes out of a room within its window is one write per member; a quiet room does not wait at all. A window is as
 * long as its last writes were many: a system call costs some 20 µs of CPU, so that the writes of a room take at most
 * a fifth of a core however fast it talks.
 */
const WINDOW_MS_PER_WRITE = 0.15;
const WINDOW_MS = { min: 5, max: 30 };
/** A window that has grown to this is written at once. */
const WINDOW_BYTES = 64 * 1024;
/** Windows of rooms that fell quiet are forgotten about this often. */
const SWEEP_MS = 30_000;

type LogEvent = 'message' | 'message:updated' | 'message:deleted';

interface RoomWindow {
  pending: Encoded[];
  bytes: number;
  flushedAt: number;
  /** From `flushedAt` on, milliseconds. */
  waitMs: number;
  cancel: (() => void) | undefined;
}

/**
 * Everything that happens in a room goes out here, in the order it comes.
 *
 * The log's events take a short way. Each is encoded once, as the WebSocket frame of its Socket.IO packet; the frames of
 * a window are joined, and each member's connection is handed that one buffer: one system call per member and window,
 * where Socket.IO makes one per member and message ({@link handFrames}).
 */
export class RoomWriter {
  readonly #namespace: ChatNamespace;
  readonly #delivered: (sockets: number) => void;
  readonly #windows = new Map<RoomId, RoomWindow>();
  readonly #dirty = new Set<RoomId>();
  #sweptAt = 0;

  constructor(namespace: ChatNamespace, delivered: (sockets: number) => void) {
    this.#namespace = namespace;
    this.#delivered = delivered;
  }

  write(chatroom: RoomId, event: RoomEvent): void {
    switch (event.kind) {
      case 'message':
        this.#add(chatroom, 'message', event.message, (it) => it.emit('message', event.message));
        break;
      case 'changed': {
        const { id, seq, rev, message } = event.change;
        const change = { chatroom, id, seq, rev };
        if (message === undefined) {
          this.#add(chatroom, 'message:deleted', change, (it) => it.emit('message:deleted', change));
        } else {
          const edit = { ...change, message };
          this.#add(chatroom, 'message:updated', edit, (it) => it.emit('message:updated', edit));
        }
        break;
      }
      case 'writing': {
        const { name, status } = event;
        const writing = { chatroom, user: event.user, name, status };
        const rooms = [members(chatroom), readers(chatroom)];
        const others = this.#namespace.to(rooms).except(user(event.user));
        // Best effort, but nobody is left typing: an end that is dropped would show for as long as the client waits.
        (status === 0 ? others : others.volatile).emit('writing', writing);
        break;
      }
      case 'read':
        this.#namespace.to(members(chatroom)).emit('read', { chatroom, user: event.user, seq: event.seq });
        break;
      default:
        event satisfies never;
    }
  }

  /** Writes all that waits: before an answer that says where rooms stand. */
  flush(): void {
    for (const room of [...this.#dirty]) this.#flush(room);
  }

  close(): void {
    for (const { cancel } of this.#windows.values()) cancel?.();
    this.#windows.clear();
    this.#dirty.clear();
  }

  #add<E extends LogEvent>(room: RoomId, event: E, push: PushOf<E>, emit: Encoded['emit']): void {
    // A packet of Socket.IO's protocol 5 inside a message packet of Engine.IO's protocol 4.
    const frame = wsTextFrame(`42${this.#namespace.name},${JSON.stringify([event, push])}`);
    const window = this.#windows.get(room) ?? { pending: [], bytes: 0, flushedAt: 0, waitMs: 0, cancel: undefined };
    this.#windows.set(room, window);
    window.pending.push({ frame, emit });
    window.bytes += frame.length;
    this.#dirty.add(room);
    if (window.bytes >= WINDOW_BYTES) this.#flush(room);
    else window.cancel ??= this.#schedule(room, window);
  }

  /** At the end of this turn when the room was quiet, else when its window is over. */
  #schedule(room: RoomId, { flushedAt, waitMs: window }: RoomWindow): () => void {
    const waitMs = flushedAt + window - performance.now();
    if (waitMs <= 0) {
      const immediate = setImmediate(() => this.#flush(room));
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(() => this.#flush(room), waitMs);
    return () => clearTimeout(timer);
  }

  #flush(room: RoomId): void {
    this.#dirty.delete(room);
    const window = this.#windows.get(room);
    if (!window) return;
    window.cancel?.();
    const writes = this.#send(room, window.pending);
    window.waitMs = Math.min(WINDOW_MS.max, Math.max(WINDOW_MS.min, writes * WINDOW_MS_PER_WRITE));
    window.pending = [];
    window.bytes = 0;
    window.cancel = undefined;
    window.flushedAt = performance.now();
    if (window.flushedAt - this.#sweptAt > SWEEP_MS) this.#sweep(window.flushedAt);
  }

  /** Where nothing waits and the last flush is long ago, no window is as good as that one. */
  #sweep(now: number): void {
    this.#sweptAt = now;
    for (const [room, { flushedAt, waitMs }] of this.#windows) {
      if (!this.#dirty.has(room) && flushedAt + waitMs <= now) this.#windows.delete(room);
    }
  }

  /** Returns how many connections were written to. */
  #send(room: RoomId, pending: readonly Encoded[]): number {
    const { adapter, sockets } = this.#namespace;
    // Who reads along and then joins is in both for a moment.
    const ids = new Set(adapter.rooms.get(members(room)));
    for (const id of adapter.rooms.get(readers(room)) ?? []) ids.add(id);
    const joined = joinFrames(pending);
    for (const id of ids) {
      const socket = sockets.get(id);
      if (socket) handFrames(socket, pending, joined);
    }
    this.#delivered(ids.size * pending.length);
    return ids.size;
  }
}
