import type { z } from 'zod';
import type { Chat } from '../chat/chat.ts';
import type { ErrorCode } from '../chat/errors.ts';
import type { Account } from '../chat/model.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface Reply {
  readonly status: number;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly content?: { readonly type: string; readonly bytes: string | Uint8Array };
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Context {
  readonly chat: Chat;
  /** Of the client, as far as the trusted proxies tell. */
  readonly address: string;
}

export interface CallerContext extends Context {
  readonly caller: Account;
}

export interface ResponseDoc {
  readonly description: string;
  /** Of a JSON body. */
  readonly schema?: z.ZodType;
  /** Of a body that is not JSON. */
  readonly contentTypes?: readonly string[];
  /** Of a text that is not JSON. */
  readonly example?: string;
  /** Name → what it says. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A code with a status that is not the code's first. */
export type DocumentedError = ErrorCode | readonly [code: ErrorCode, status: number];

interface RouteFacts {
  readonly method: Method;
  /** With parameters in braces: `/v1/chat/rooms/{id}`. */
  readonly path: string;
  /** Other ways to the same handler, kept for clients of the earlier server. */
  readonly aliases?: readonly { readonly method: Method; readonly path: string }[];
  readonly summary: string;
  readonly responses: Readonly<Record<number, ResponseDoc>>;
  /** Those of this operation; what any call of its kind may meet (401, 503 …) is added where it is documented. */
  readonly errors: readonly DocumentedError[];
}

export interface Input<P, Q, H, B> {
  readonly params: P;
  readonly query: Q;
  /** By their names in lower case. */
  readonly headers: H;
  readonly body: B;
}

/** One operation as data: Express is driven by it and the OpenAPI document is written from it. */
export interface Route extends RouteFacts {
  readonly auth: boolean;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  run(context: Context | CallerContext, input: Input<unknown, unknown, unknown, unknown>): Promise<Reply> | Reply;
}

interface Spec<
  A extends boolean,
  P extends z.ZodObject,
  Q extends z.ZodObject,
  H extends z.ZodObject,
  B extends z.ZodType,
> extends RouteFacts {
  readonly auth: A;
  readonly params?: P;
  readonly query?: Q;
  readonly headers?: H;
  readonly body?: B;
  run(
    context: A extends true ? CallerContext : Context,
    input: Input<z.output<P>, z.output<Q>, z.output<H>, z.output<B>>,
  ): Promise<Reply> | Reply;
}

/** Holds a handler to its schemas; whoever serves the route gives it a caller and the parsed input. */
export function defineRoute<
  A extends boolean,
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  H extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodUndefined,
>(spec: Spec<A, P, Q, H, B>): Route {
  return spec;
}
