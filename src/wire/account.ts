import { z } from 'zod';
import { EXAMPLES } from './examples.ts';
import { userId, userName } from './fields.ts';

export const accountType = z.union([z.literal(1), z.literal(2), z.literal(3)]).describe('1 user, 2 service, 3 bot');

/** What `GET {AUTH_SERVER}{AUTH_PATH}` answers for a good token. */
export const account = z
  .object({
    user: userId,
    type: accountType,
    name: userName,
    roles: z.array(z.string().max(64)).max(64),
    expiresAt: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'Account', examples: [EXAMPLES.account] });

export const newGuest = z.object({ name: userName }).meta({ id: 'NewGuest', examples: [{ name: 'Ann' }] });
export const guest = account.extend({ token: z.string() }).meta({ id: 'Guest', examples: [EXAMPLES.guest] });

export const revocation = z
  .union([
    z.object({ user: userId, tokenHash: z.undefined().optional() }),
    z.object({
      tokenHash: z.string().regex(/^[0-9a-f]{64}$/, 'must be SHA-256 in hex'),
      user: z.undefined().optional(),
    }),
  ])
  .meta({ id: 'Revocation', examples: [EXAMPLES.revocation] });
