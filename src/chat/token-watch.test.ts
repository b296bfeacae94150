import { strict as assert } from 'node:assert';
import { beforeEach, describe, it } from '@jest/globals';
import { FakeClock, settle } from '../../test/support/fake-clock.ts';
import { accountOf } from '../../test/support/timed-chat.ts';
import { tokenHashOf } from './authenticate.ts';
import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Account } from './model.ts';
import { type TokenEnd, TokenWatch } from './token-watch.ts';

const REVALIDATE_MS = 55_000;
const AWAY_RETRY_MS = 5000;
const DAY_MS = 86_400_000;

describe('TokenWatch', () => {
  let clock: FakeClock;
  let watch: TokenWatch;
  let validated: string[];
  let forgotten: object[];
  let answer: (token: string) => Promise<Account>;
  let ends: [string, TokenEnd][];

  beforeEach(() => {
    clock = new FakeClock();
    validated = [];
    forgotten = [];
    ends = [];
    answer = async (token) => accountOf(token);
    const silent = (): void => {};
    const store = { revocations: async () => new Map() } as Partial<Chat['store']> as Chat['store'];
    watch = new TokenWatch(
      {
        clock,
        store,
        log: { debug: silent, info: silent, warn: silent, error: silent },
        accounts: {
          validate: (token, options) => {
            assert.equal(options?.fresh, true, 'asked past the cache');
            validated.push(token);
            return answer(token);
          },
          forget: (subject) => void forgotten.push(subject),
        },
      },
      REVALIDATE_MS,
    );
  });

  const hold = (token: string, name = token, facts: Partial<Account> = {}): (() => void) =>
    watch.hold(token, accountOf(token, facts), (end) => void ends.push([name, end]));

  it('asks again past the cache once per token, however many hold it', async () => {
    hold('a', 'a1');
    hold('a', 'a2');
    hold('b');
    await clock.advance(REVALIDATE_MS - 1);
    assert.deepEqual(validated, []);
    await clock.advance(1);
    assert.deepEqual(validated, ['a', 'b']);
    await clock.advance(3 * REVALIDATE_MS);
    assert.equal(validated.length, 8);
    assert.deepEqual(ends, []);
  });

  it('ends a token that is refused, for all that hold it, once', async () => {
    hold('a', 'a1');
    hold('a', 'a2');
    hold('b');
    answer = async (token) => {
      if (token === 'a') throw new ChatError('invalid_token', 'refused');
      return accountOf(token);
    };
    await clock.advance(3 * REVALIDATE_MS);
    assert.deepEqual(ends, [
      ['a1', 'revoked'],
      ['a2', 'revoked'],
    ]);
    assert.equal(validated.filter((it) => it === 'a').length, 1);
  });

  it('keeps sockets while the account service is away, and asks sooner', async () => {
    hold('a');
    answer = async () => Promise.reject(new ChatError('account_service', 'away'));
    await clock.advance(REVALIDATE_MS + 10 * AWAY_RETRY_MS);
    assert.deepEqual(ends, []);
    assert.equal(validated.length, 11);
    answer = async () => Promise.reject(new ChatError('invalid_token', 'refused'));
    await clock.advance(AWAY_RETRY_MS);
    assert.deepEqual(ends, [['a', 'revoked']]);
    assert.equal(clock.waiting, 0);
  });

  it('ends at the expiry, also of one further away than a timer reaches', async () => {
    hold('near', 'near', { expiresAt: clock.now() + 10_000 });
    hold('over', 'over', { expiresAt: clock.now() - 1 });
    await clock.advance(0);
    assert.deepEqual(ends, [['over', 'expired']]);
    await clock.advance(9999);
    assert.equal(ends.length, 1);
    await clock.advance(1);
    assert.deepEqual(ends[1], ['near', 'expired']);
    assert.equal(clock.waiting, 0);
  });

  it('waits for an expiry further away than a timer reaches', async () => {
    const delays: number[] = [];
    const { after } = clock;
    clock.after = (delayMs, then) => {
      delays.push(delayMs);
      return after.call(clock, delayMs, then);
    };
    const expiresAt = clock.now() + 60 * DAY_MS;
    answer = () => new Promise(() => {}); // the timer of the expiry alone
    hold('far', 'far', { expiresAt });
    await clock.advance(60 * DAY_MS - 1);
    assert.deepEqual(ends, []);
    await clock.advance(1);
    assert.deepEqual(ends, [['far', 'expired']]);
    assert.ok(Math.max(...delays) < 2 ** 31, 'Node runs a timer of more at once');
  });

  it('goes by the newest expiry: of a renewal, of a later answer', async () => {
    const start = clock.now();
    hold('a', 'a', { expiresAt: start + 10_000 });
    hold('a', 'a again', { expiresAt: start + 100_000 });
    answer = async (token) => accountOf(token, { expiresAt: start + 70_000 });
    await clock.advance(69_999);
    assert.deepEqual(ends, []);
    await clock.advance(1);
    assert.equal(ends.length, 2);
  });

  it('tells an expiry that the account service saw first', async () => {
    hold('a', 'a', { expiresAt: clock.now() + REVALIDATE_MS });
    answer = async () => Promise.reject(new ChatError('invalid_token', 'refused'));
    await clock.advance(REVALIDATE_MS);
    assert.deepEqual(ends, [['a', 'expired']]);
  });

  it('cuts at once who a revocation names, by user or by token', () => {
    hold('a', 'a1', { user: 'ana' });
    hold('b', 'a2', { user: 'ana' });
    hold('c', 'c', { user: 'cid' });
    hold('d', 'd', { user: 'dan' });
    watch.apply({ kind: 'revoked', user: 'ana' });
    assert.deepEqual(ends, [
      ['a1', 'revoked'],
      ['a2', 'revoked'],
    ]);
    watch.apply({ kind: 'revoked', tokenHash: tokenHashOf('c') });
    watch.apply({ kind: 'revoked', user: 'ana' });
    watch.apply({ kind: 'revoked', user: 'nobody' });
    watch.apply({ kind: 'revoked' });
    assert.deepEqual(ends.slice(2), [['c', 'revoked']]);
    assert.deepEqual(forgotten.slice(0, 2), [{ user: 'ana' }, { tokenHash: tokenHashOf('c') }]);
  });

  it('lets go: of one holder, of the last, in the middle of a check, twice', async () => {
    const one = hold('a', 'one');
    const two = hold('a', 'two');
    one();
    one();
    watch.apply({ kind: 'revoked', user: 'a' });
    assert.deepEqual(ends, [['two', 'revoked']]);
    two();
    assert.equal(clock.waiting, 0);

    let refuse = (_: Error): void => {};
    answer = () => new Promise((_, reject) => (refuse = reject));
    const three = hold('a', 'three', { expiresAt: clock.now() + DAY_MS });
    await clock.advance(REVALIDATE_MS);
    three();
    refuse(new ChatError('invalid_token', 'refused'));
    await settle();
    assert.equal(ends.length, 1);
    assert.equal(clock.waiting, 0);
  });

  it('goes on watching a token that ended once and is held anew, when the old holder lets go', async () => {
    const old = hold('a', 'old');
    watch.apply({ kind: 'revoked', user: 'a' });
    hold('a', 'new', { expiresAt: clock.now() + 10_000 });
    old();
    await clock.advance(10_000);
    assert.deepEqual(ends, [
      ['old', 'revoked'],
      ['new', 'expired'],
    ]);
  });
});
