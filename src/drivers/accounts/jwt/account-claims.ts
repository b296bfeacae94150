import { z } from 'zod';
import type { Account } from '../../../chat/model.ts';
import { account } from '../../../wire/account.ts';

/** Seconds since 1970, of which a `Date` can be made. */
const seconds = z.number().min(0).max(8.64e12);
const MAX_NAME = 80;

const claims = z.object({
  sub: account.shape.user,
  exp: seconds,
  iat: seconds.optional(),
  type: account.shape.type.default(1),
  roles: account.shape.roles.default(['user']),
  name: z.unknown().optional(),
  preferred_username: z.unknown().optional(),
});

type TokenAccount = Account & { readonly issuedAt: number; readonly expiresAt: number };

/** The account that the claims of a proven token speak of, or the name of the first claim that does not fit. */
export function readClaims(payload: unknown): TokenAccount | { readonly misfit: string } {
  const found = claims.safeParse(payload);
  if (!found.success) return { misfit: String(found.error.issues[0]?.path[0] ?? 'sub') };
  const { sub, exp, iat, type, roles, name, preferred_username } = found.data;
  const shown = [name, preferred_username, sub].map(nameFrom).find((it) => it !== undefined);
  if (shown === undefined) return { misfit: 'sub' };
  // A token that does not say when it was issued is older than any revocation.
  return { user: sub, type, name: shown, roles, issuedAt: (iat ?? 0) * 1000, expiresAt: exp * 1000 };
}

/** Names are for show: one that is too long is cut, and one that cannot be shown is left out. */
function nameFrom(claim: unknown): string | undefined {
  if (typeof claim !== 'string') return undefined;
  const found = account.shape.name.safeParse(claim.trim().slice(0, MAX_NAME).toWellFormed());
  return found.success ? found.data : undefined;
}
