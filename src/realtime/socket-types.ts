import type { Namespace, Server, Socket } from 'socket.io';
import type { ServerToClient } from '../wire/socket.ts';
import type { Session } from './session.ts';

/** Client events are `unknown` until a schema accepts them, so they have no type here. */
type Untyped = Record<string, (...args: unknown[]) => void>;

interface SocketData {
  session: Session;
}

export type ChatServer = Server<Untyped, ServerToClient, Untyped, SocketData>;
export type ChatNamespace = Namespace<Untyped, ServerToClient, Untyped, SocketData>;
export type ChatSocket = Socket<Untyped, ServerToClient, Untyped, SocketData>;
