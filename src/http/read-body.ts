import { isUtf8 } from 'node:buffer';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { ChatError, invalidFields } from '../chat/errors.ts';

/** An object, and `meta` with its eight levels in it. Checked before anything walks the body by recursion. */
const LEVELS_MAX = 9;

export type ReadBody = (req: Request, res: Response) => Promise<unknown>;

/** Reads JSON; undefined when no body was sent. Rejects with invalid_fields (400, 415) or too_large. */
export function createReadBody(maxBytes: number): ReadBody {
  const parse: RequestHandler = express.json({
    limit: maxBytes,
    type: () => true,
    // A decoder would put replacement characters where bytes are wrong: texts are stored as sent or not at all.
    verify: (_req, _res, bytes, encoding) => {
      if (encoding === 'utf-8' && !isUtf8(bytes)) throw invalidFields('the body is not well-formed UTF-8', 'body');
    },
  });
  return async (req, res) => {
    if (req.headers['transfer-encoding'] === undefined && !(Number(req.headers['content-length']) > 0))
      return undefined;
    if (!/^application\/json\s*(?:;|$)/i.test(req.headers['content-type'] ?? '')) {
      throw new ChatError('invalid_fields', 'the body must be application/json', {
        status: 415,
        data: { fields: ['content-type'] },
      });
    }
    await new Promise<void>((resolve, reject) => {
      parse(req, res, (error?: unknown) => (error === undefined ? resolve() : reject(bodyError(error, maxBytes))));
    });
    const body: unknown = req.body;
    if (deeperThan(body, LEVELS_MAX)) throw invalidFields(`a body has at most ${LEVELS_MAX} levels`, 'body');
    return body;
  };
}

/** Without recursion: a megabyte of brackets must not exhaust the stack. */
function deeperThan(value: unknown, levels: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > levels) return true;
    level = level.flatMap((it) => (typeof it === 'object' && it !== null ? Object.values(it) : []));
  }
  return false;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function bodyError(error: unknown, maxBytes: number): unknown {
  if (!(error instanceof Error) || !('type' in error)) return error;
  // The parser's messages may hold parts of the body: ours say what is wrong and nothing of what was sent.
  switch (textOf(error.type)) {
    case 'entity.too.large':
      return new ChatError('too_large', `a body has at most ${maxBytes} bytes`);
    case 'charset.unsupported':
    case 'encoding.unsupported':
      return new ChatError('invalid_fields', 'the body must be UTF-8, plain or in gzip, deflate or br', {
        status: 415,
        data: { fields: ['content-type'] },
      });
    case 'entity.verify.failed':
      return invalidFields('the body is not well-formed UTF-8', 'body');
    case 'request.aborted':
      return invalidFields('the body ended early', 'body');
    default:
      return invalidFields('the body is not a well-formed JSON object', 'body');
  }
}
