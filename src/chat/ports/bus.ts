import type { Change, Message, Role, Room, RoomId, UserId } from '../model.ts';

/** Heard by the nodes that subscribed to the room. */
export type RoomEvent =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'changed'; readonly change: Change }
  | { readonly kind: 'writing'; readonly user: UserId; readonly name: string; readonly status: 0 | 1 }
  | { readonly kind: 'read'; readonly user: UserId; readonly seq: number };

export type LeaveReason = 'left' | 'removed' | 'banned';

/** Heard by every node. */
export type NodeEvent =
  | {
      readonly kind: 'joined';
      readonly user: UserId;
      readonly name: string;
      readonly role: Role;
      readonly room: Room;
      readonly at: string;
    }
  | {
      readonly kind: 'left';
      readonly user: UserId;
      readonly name: string;
      readonly chatroom: RoomId;
      readonly count: number;
      readonly at: string;
      readonly reason: LeaveReason;
      /** False for the ban of somebody who only read along. */
      readonly wasMember: boolean;
    }
  | { readonly kind: 'role'; readonly user: UserId; readonly role: Role; readonly room: Room }
  | { readonly kind: 'room'; readonly room: Room; readonly was: 'public' | 'private' | 'new' }
  | { readonly kind: 'deleted'; readonly room: Room }
  | { readonly kind: 'status'; readonly user: UserId; readonly status: 1 | 2; readonly rooms: readonly RoomId[] }
  | { readonly kind: 'failure'; readonly user: UserId; readonly id: string; readonly event: string }
  | {
      readonly kind: 'command';
      readonly id: string;
      readonly user: UserId;
      readonly name: string;
      readonly chatroom: RoomId;
      readonly message: string;
      readonly at: string;
      readonly to: 'sender' | 'room';
    }
  | { readonly kind: 'revoked'; readonly user?: UserId; readonly tokenHash?: string };

export interface BusListener {
  onRoom(room: RoomId, event: RoomEvent): void;
  onNode(event: NodeEvent): void;
  /** Something may have been lost (a node died, the bus was away): compare heads with the store. */
  onSuspect(): void;
}

/**
 * A doorbell between nodes: it may lose, double or swap events and holds no truth. Nothing here blocks or rejects a
 * sender: trouble is counted and told by {@link BusListener.onSuspect}. A node never hears its own events.
 */
export interface Bus {
  listen(listener: BusListener): void;
  /** Resolves when events published from now on arrive. */
  subscribe(rooms: readonly RoomId[]): Promise<void>;
  unsubscribe(room: RoomId): void;
  publish(room: RoomId, event: RoomEvent): void;
  broadcast(event: NodeEvent): void;
}
