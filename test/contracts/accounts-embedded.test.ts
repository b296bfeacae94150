import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { EmbeddedAccounts } from '../../src/drivers/accounts/embedded/embedded-accounts.ts';
import { accountsContract, rejectionOf } from './accounts-contract.ts';

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'parley-accounts-'));
const remove = (dir: string): Promise<void> => rm(dir, { recursive: true, force: true });

accountsContract('embedded', async () => {
  const dir = await newFolder();
  let passedMs = 0;
  const accounts = await EmbeddedAccounts.open(dir, () => Date.now() + passedMs);
  return {
    accounts,
    issue: async (facts, lifetimeMs) => (await accounts.issue({ ...facts, lifetimeMs })).token,
    passMs: (ms) => {
      passedMs += ms;
    },
    close: () => remove(dir),
  };
});

describe('EmbeddedAccounts', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await newFolder();
  });
  afterEach(() => remove(dir));

  it('makes a new user for every guest, for 30 days', async () => {
    const accounts = await EmbeddedAccounts.open(dir);
    const before = Date.now();
    const one = await accounts.createGuest('Ana');
    const other = await accounts.createGuest('Ana');
    expect(one.user).not.toBe(other.user);
    expect(one.user).toMatch(/^g-[0-9a-f-]{36}$/);
    expect(one).toMatchObject({ name: 'Ana', type: 1, roles: ['user'], expiresAt: one.issuedAt + 30 * 86_400_000 });
    expect(one.issuedAt).toBeGreaterThanOrEqual(before);
    const { token, ...account } = one;
    expect(await accounts.validate(token)).toEqual(account);
  });

  it('refuses a name that is none', async () => {
    const accounts = await EmbeddedAccounts.open(dir);
    for (const name of ['', '  ', 'x'.repeat(81), 'a\0b', '\ud800']) {
      await expect(accounts.createGuest(name)).rejects.toMatchObject({
        code: 'invalid_fields',
        data: { fields: ['name'] },
      });
    }
  });

  it('keeps tokens good over a restart, and foreign ones out', async () => {
    const { token } = await (await EmbeddedAccounts.open(dir)).createGuest('Ana');
    expect(await (await EmbeddedAccounts.open(dir)).validate(token)).toMatchObject({ name: 'Ana' });
    const elsewhere = await newFolder();
    try {
      const other = await EmbeddedAccounts.open(elsewhere);
      expect(await rejectionOf(other.validate(token), token)).toBe('invalid_token');
    } finally {
      await remove(elsewhere);
    }
  });

  it('agrees on one key when many open a new folder at once, readable by the owner alone', async () => {
    const fresh = join(dir, 'made', 'by-us');
    const all = await Promise.all(Array.from({ length: 16 }, () => EmbeddedAccounts.open(fresh)));
    const tokens = await Promise.all(all.map(async (it) => (await it.createGuest('Ana')).token));
    for (const token of tokens) for (const it of all) expect(await it.validate(token)).toMatchObject({ name: 'Ana' });
    expect(await readdir(fresh)).toEqual(['accounts.key']);
    expect((await stat(join(fresh, 'accounts.key'))).mode & 0o777).toBe(0o600);
  });

  it('says so when the key is damaged, and does not quote it', async () => {
    await writeFile(join(dir, 'accounts.key'), 'abcd');
    await expect(EmbeddedAccounts.open(dir)).rejects.toThrow(/accounts\.key is damaged/);
    await expect(EmbeddedAccounts.open(dir)).rejects.not.toThrow(/abcd/);
  });

  it('refuses tokens of the same key that are of another kind', async () => {
    const accounts = await EmbeddedAccounts.open(dir);
    const key = Buffer.from((await readFile(join(dir, 'accounts.key'), 'utf8')).trim(), 'hex');
    const now = Date.now();
    const claims = { name: 'Eve', typ: 1, roles: ['admin'], iatMs: now, expMs: now + 60_000 };
    const base = () => new SignJWT(claims).setSubject('eve').setIssuedAt().setExpirationTime('1m');
    const signed = await Promise.all([
      base().setProtectedHeader({ alg: 'HS256' }).setIssuer('someone').sign(key),
      base()
        .setProtectedHeader({ alg: 'HS512' })
        .setIssuer('parley-embedded')
        .sign(Buffer.concat([key, key])),
      new SignJWT({ name: 'Eve' }).setProtectedHeader({ alg: 'HS256' }).setIssuer('parley-embedded').sign(key),
    ]);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none' })}.${part({ ...claims, sub: 'eve', iss: 'parley-embedded', exp: now })}.`;
    for (const token of [...signed, unsigned]) {
      expect(await rejectionOf(accounts.validate(token), token)).toBe('invalid_token');
    }
  });
});
