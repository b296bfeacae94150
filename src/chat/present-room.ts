import type { Room, RoomView } from './model.ts';

/** A room as the `chatroom` push tells of it. */
export const presentRoomPush = (room: Room, isUser: boolean, role?: RoomView['role']) => ({
  id: room.id,
  name: room.name,
  topic: room.topic,
  visibility: room.visibility,
  owner: room.owner,
  slowModeMs: room.slowModeMs,
  count: room.count,
  isUser,
  ...(role === undefined ? {} : { role }),
  headSeq: room.headSeq,
  rev: room.rev,
  version: room.version,
  epoch: room.epoch,
});

/** A room as it leaves the server for the one user who asked. */
export const presentRoom = ({ room, role }: RoomView) => ({
  ...presentRoomPush(room, role !== undefined, role),
  firstSeq: room.firstSeq,
  createdAt: room.createdAt,
});
