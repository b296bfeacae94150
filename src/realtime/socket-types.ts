import type { Namespace, Server, Socket } from 'socket.io';
import type { ServerToClient } from '../wire/socket.ts';

/** Client events are `unknown` until a schema accepts them, so they have no type here. */
type Untyped = Record<string, (...args: unknown[]) => void>;

export type ChatServer = Server<Untyped, ServerToClient, Untyped>;
export type ChatNamespace = Namespace<Untyped, ServerToClient, Untyped>;
export type ChatSocket = Socket<Untyped, ServerToClient, Untyped>;

/** The connection below a socket. */
export type Connection = ChatSocket['conn'];
