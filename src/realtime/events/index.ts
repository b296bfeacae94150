import type { ClientEvent } from '../../wire/socket.ts';
import type { EventHandler } from '../event-context.ts';
import { onAuthenticate } from './authenticate.ts';
import { onChatroom } from './chatroom.ts';
import { onChatrooms } from './chatrooms.ts';
import { onHistory } from './history.ts';
import { onJoin } from './join.ts';
import { onLeave } from './leave.ts';
import { onMessage } from './message.ts';
import { onRead } from './read.ts';
import { onResume } from './resume.ts';
import { onSwitch } from './switch.ts';
import { onWriting } from './writing.ts';

/** Every client event has its handler: a missing one does not compile. */
export const EVENT_HANDLERS: { readonly [E in ClientEvent]: EventHandler<E> } = {
  switch: onSwitch,
  history: onHistory,
  writing: onWriting,
  chatroom: onChatroom,
  chatrooms: onChatrooms,
  join: onJoin,
  leave: onLeave,
  message: onMessage,
  resume: onResume,
  read: onRead,
  authenticate: onAuthenticate,
};
