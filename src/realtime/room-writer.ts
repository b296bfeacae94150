import type { RoomId } from '../chat/model.ts';
import type { RoomEvent } from '../chat/ports/bus.ts';
import type { PushOf } from '../wire/socket.ts';
import { type Encoded, frameOf, handFrames, joinFrames } from './hand-frames.ts';
import { members, readers, user } from './socket-rooms.ts';
import type { ChatNamespace } from './socket-types.ts';
import { type WindowLength, WriteWindow } from './write-window.ts';

/** What goes out of a room within its window is one write per member, and a write is a system call of some 20 µs of CPU. */
const WINDOW: WindowLength = { perWriteMs: 0.15, minMs: 5, maxMs: 30 };
/** A window that has grown to this is written at once. */
const WINDOW_BYTES = 64 * 1024;
/** Windows of rooms that fell quiet are forgotten about this often. */
const SWEEP_MS = 30_000;

type LogEvent = 'message' | 'message:updated' | 'message:deleted';

interface RoomWindow {
  pending: Encoded[];
  bytes: number;
  readonly writes: WriteWindow;
}

/**
 * A room's log, typing and read marks go out here, in the order they come.
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
    for (const { writes } of this.#windows.values()) writes.cancel();
    this.#windows.clear();
    this.#dirty.clear();
  }

  #add<E extends LogEvent>(room: RoomId, event: E, push: PushOf<E>, emit: Encoded['emit']): void {
    const frame = frameOf(this.#namespace, event, push);
    const window = this.#windowOf(room);
    window.pending.push({ frame, emit });
    window.bytes += frame.length;
    this.#dirty.add(room);
    if (window.bytes >= WINDOW_BYTES) this.#flush(room);
    else window.writes.schedule();
  }

  #windowOf(room: RoomId): RoomWindow {
    const known = this.#windows.get(room);
    if (known) return known;
    const made = { pending: [], bytes: 0, writes: new WriteWindow(WINDOW, () => this.#flush(room)) };
    this.#windows.set(room, made);
    return made;
  }

  #flush(room: RoomId): void {
    this.#dirty.delete(room);
    const window = this.#windows.get(room);
    if (!window) return;
    window.writes.cancel();
    const reached = this.#send(room, window.pending);
    window.pending = [];
    window.bytes = 0;
    window.writes.written(reached);
    const now = performance.now();
    if (now - this.#sweptAt > SWEEP_MS) this.#sweep(now);
  }

  /** Where nothing waits and the last flush is long ago, no window is as good as that one. */
  #sweep(now: number): void {
    this.#sweptAt = now;
    for (const [room, { writes }] of this.#windows) {
      if (!this.#dirty.has(room) && writes.isOver(now)) this.#windows.delete(room);
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
