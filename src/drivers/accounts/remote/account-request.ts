import type { Pool } from 'undici';
import type { Account } from '../../../chat/model.ts';
import { bodyText } from '../../../platform/body-text.ts';
import { account } from '../../../wire/account.ts';

const MAX_BODY_BYTES = 64 * 1024;

/** What the account service says of a token; `undefined` is a refusal. */
export type Answer = Account | undefined;

/** The account service gave no answer that means anything. Never carries a token. */
export class Away extends Error {
  override readonly name = 'Away';
}

/**
 * Asks once. 401, 403 and 200 with `{error}` are refusals; everything else but a well-formed account throws
 * {@link Away}: other statuses, redirects (the token must not follow one), garbage, over-long bodies, time-outs.
 */
export async function requestAccount(pool: Pool, path: string, token: string, signal: AbortSignal): Promise<Answer> {
  try {
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      signal,
    });
    const text = await bodyText(body, MAX_BODY_BYTES);
    if (statusCode === 401 || statusCode === 403) return undefined;
    if (statusCode !== 200) throw new Away(`the account service answered ${statusCode}`);
    return read(text);
  } catch (cause) {
    throw cause instanceof Away ? cause : new Away('the account service did not answer', { cause });
  }
}

function read(text: string): Answer {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null) throw new Away('the account service answered with no account');
  if ('error' in value && value.error) return undefined;
  const found = account.safeParse(value);
  if (!found.success) throw new Away('the account service answered with no account');
  const { expiresAt, ...rest } = found.data;
  return expiresAt === undefined ? rest : { ...rest, expiresAt: Date.parse(expiresAt) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
