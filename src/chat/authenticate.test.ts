import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { accountOf, openTimedChat, refusal, type TimedChat } from '../../test/support/timed-chat.ts';
import { authenticate, revoke, tokenHashOf } from './authenticate.ts';
import { tryAgain } from './errors.ts';

const service = accountOf('service', { type: 2, roles: ['service'] });

describe('authenticate', () => {
  let timed: TimedChat;
  beforeEach(async () => {
    timed = await openTimedChat();
  });
  afterEach(() => timed.close());

  it('tells who a token belongs to', async () => {
    const token = timed.test.addAccount('ana', { expiresAt: timed.clock.now() + 1000 });
    assert.equal((await authenticate(timed.chat, token)).user, 'ana');
    await timed.clock.advance(1000);
    await refusal('invalid_token', authenticate(timed.chat, token));
  });

  it.each([[undefined], [''], ['unknown']])('refuses %p', (token) =>
    refusal('invalid_token', authenticate(timed.chat, token)),
  );

  it('passes on whether the cache will do', async () => {
    const asked: (boolean | undefined)[] = [];
    const chat = {
      ...timed.chat,
      accounts: {
        ...timed.chat.accounts,
        validate: async (_token: string, options?: { fresh?: boolean }) => {
          asked.push(options?.fresh);
          return accountOf('ana');
        },
      },
    };
    await authenticate(chat, 'a');
    await authenticate(chat, 'a', { fresh: true });
    assert.deepEqual(asked, [false, true]);
  });

  it('never accepts what cannot be checked', async () => {
    const token = timed.test.addAccount('ana', { issuedAt: 1 });
    timed.test.accountsAway(true);
    await refusal('account_service', authenticate(timed.chat, token));
    timed.test.accountsAway(false);
    timed.trouble = () => Promise.reject(tryAgain('the store'));
    await refusal('try_again', authenticate(timed.chat, token));
  });

  it('refuses tokens of a revoked user that are not newer, and one revoked token for good', async () => {
    const now = timed.clock.now();
    const before = timed.test.addAccount('ana', { issuedAt: now - 1 });
    const same = timed.test.addAccount('ana', { issuedAt: now });
    const after = timed.test.addAccount('ana', { issuedAt: now + 1 });
    const other = timed.test.addAccount('ben', { issuedAt: now - 1 });
    await revoke(timed.chat, service, { user: 'ana' });
    for (const token of [before, same]) await refusal('invalid_token', authenticate(timed.chat, token));
    for (const token of [after, other]) await authenticate(timed.chat, token);
    await revoke(timed.chat, service, { tokenHash: tokenHashOf(after) });
    await refusal('invalid_token', authenticate(timed.chat, after));
    await authenticate(timed.chat, other);
  });

  it('lets accounts that live elsewhere be asked anew', async () => {
    const token = timed.test.addAccount('ana');
    await revoke(timed.chat, service, { user: 'ana' });
    assert.equal((await authenticate(timed.chat, token)).user, 'ana');
  });

  it('tells every node of a revocation, once it is stored', async () => {
    await revoke(timed.chat, service, { user: 'ana', tokenHash: 'ab' });
    const told = [
      { kind: 'revoked', user: 'ana' },
      { kind: 'revoked', tokenHash: 'ab' },
    ];
    assert.deepEqual(timed.network.takeTold(), told);
    assert.deepEqual(timed.heard, told);
    timed.trouble = () => Promise.reject(tryAgain('the store'));
    await refusal('try_again', revoke(timed.chat, service, { user: 'ana' }));
    assert.deepEqual(timed.network.takeTold(), []);
  });

  it('takes revocations from services only', async () => {
    await refusal('role_required', revoke(timed.chat, accountOf('ana', { roles: ['user', 'admin'] }), { user: 'ben' }));
    assert.deepEqual(timed.network.takeTold(), []);
  });
});
