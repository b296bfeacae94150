import type { IncomingMessage } from 'node:http';
import { ChatError } from '../chat/errors.ts';

const BEARER = /^Bearer +([\w.~+/-]+=*)$/i;
const TOKEN_CHARACTERS = 8192;

/** The token of `Authorization: Bearer …`; undefined when there is no such header. @throws invalid_token */
export function readBearer(req: Pick<IncomingMessage, 'headersDistinct'>): string | undefined {
  const given = req.headersDistinct.authorization ?? [];
  if (given.length > 1) throw new ChatError('invalid_token', 'give one Authorization header only');
  const [header] = given;
  if (header === undefined) return undefined;
  const token = BEARER.exec(header)?.[1];
  if (token === undefined || token.length > TOKEN_CHARACTERS) {
    throw new ChatError('invalid_token', 'the Authorization header must be Bearer and one token of at most 8 KiB');
  }
  return token;
}
