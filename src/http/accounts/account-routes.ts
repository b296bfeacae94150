import { isIPv6 } from 'node:net';
import { revoke } from '../../chat/authenticate.ts';
import { ChatError } from '../../chat/errors.ts';
import type { Account } from '../../chat/model.ts';
import type { GuestAccounts } from '../../chat/ports/accounts.ts';
import { iso } from '../../chat/ports/clock.ts';
import type { Rate } from '../../chat/ports/limits.ts';
import { account, guest, newGuest, revocation } from '../../wire/account.ts';
import { defineRoute, type Route } from '../route.ts';

interface AccountRouteOptions {
  readonly guests?: GuestAccounts;
  readonly guestRate: Rate;
}

const presentAccount = ({ user, type, name, roles, expiresAt }: Account) => ({
  user,
  type,
  name,
  roles,
  ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
});

/** Whom an address stands for: of IPv6 the network, because one host has all of its addresses. */
export function subscriberOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after];
  const network = all.slice(0, 4).map((it) => it.replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64`;
}

function guestRoute(guests: GuestAccounts, guestRate: Rate): Route {
  return defineRoute({
    method: 'post',
    path: '/v1/accounts/guest',
    summary: 'Make a development account; every call makes a new one',
    auth: false,
    body: newGuest,
    responses: { 201: { description: 'The account and its token', schema: guest } },
    errors: ['rate_limited'],
    run: async ({ chat, address }, { body }) => {
      const taken = await chat.limits.take(`guests:${subscriberOf(address)}`, guestRate);
      if (!taken.ok) {
        const { retryAfterMs } = taken;
        throw new ChatError('rate_limited', 'too many new guests from here; wait a little', { retryAfterMs });
      }
      const made = await guests.createGuest(body.name);
      return { status: 201, body: { token: made.token, ...presentAccount(made) } };
    },
  });
}

export const accountRoutes = ({ guests, guestRate }: AccountRouteOptions): readonly Route[] => [
  ...(guests ? [guestRoute(guests, guestRate)] : []),
  defineRoute({
    method: 'get',
    path: '/v1/accounts/validate',
    summary: 'Whose token this is',
    auth: true,
    responses: { 200: { description: 'The account', schema: account } },
    errors: [],
    run: ({ caller }) => ({ status: 200, body: presentAccount(caller) }),
  }),
  defineRoute({
    method: 'post',
    path: '/v1/accounts/revocations',
    summary: 'Tell that a user or a token is not valid any more; live sockets are cut (role service)',
    auth: true,
    body: revocation,
    responses: { 204: { description: 'In force everywhere' } },
    errors: ['role_required'],
    run: async ({ chat, caller }, { body }) => {
      await revoke(chat, caller, body);
      return { status: 204 };
    },
  }),
];
