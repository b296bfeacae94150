import type { RoomId, UserId } from '../chat/model.ts';

// Socket.IO's own rooms. The prefixes keep ids of users and rooms apart from each other and from socket ids.

/** Sockets of the room's members. */
export const members = (room: RoomId): string => `r:${room}`;
/** Sockets that read a public room without being members. */
export const readers = (room: RoomId): string => `v:${room}`;
/** All sockets of a user. */
export const user = (id: UserId): string => `u:${id}`;
