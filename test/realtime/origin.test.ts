import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { openEngine, POLLING_PATH } from '../support/raw-engine.ts';
import { openTestRealtime, type TestRealtime } from '../support/test-realtime.ts';

let test: TestRealtime;
beforeEach(async () => {
  test = await openTestRealtime({ realtime: { corsOrigin: ['https://chat.example', 'http://app.example:8080'] } });
});
afterEach(() => test.close());

/** Over polling and over an upgrade alike. */
async function admits(origin: string | undefined): Promise<boolean> {
  const headers = origin === undefined ? {} : { origin };
  const polled = await fetch(test.url + POLLING_PATH, { headers });
  const body = await polled.text();
  const raw = openEngine(test.port, undefined, headers);
  if (polled.status === 200) {
    assert.match(body, /^0\{"sid":/);
    await raw.opened();
    raw.close();
    return true;
  }
  assert.equal(polled.status, 403);
  assert.equal(body, '{"code":4,"message":"pages of this origin may not connect"}');
  assert.match(await raw.refusal(), /^HTTP\/1\.1 400 /);
  assert.deepEqual(raw.packets, []);
  return false;
}

describe('the page a handshake comes from', () => {
  it.each([
    'https://evil.example',
    'null',
    '',
    'http://chat.example',
    'https://chat.example:8443',
    'https://chat.example.evil.example',
    'https://evil-chat.example',
    'https://sub.chat.example',
    'https://chat.example@evil.example',
    'https://user@chat.example',
    'https://chat.example/',
    'https://chat.example/path',
    'https://CHAT.example',
    'HTTPS://chat.example',
    'https://chat.example.',
    'http://app.example',
    'file://',
    'https://',
    'chat.example',
    'https://chat.example, https://evil.example',
    '*',
  ])('is refused: %s', async (origin) => {
    assert.equal(await admits(origin), false);
  });

  it('is refused when it only looks like our own', async () => {
    const own = `127.0.0.1:${test.port}`;
    for (const origin of [
      'http://127.0.0.1',
      `http://127.0.0.1:${test.port + 1}`,
      `http://user@${own}`,
      `http://${own}@evil.example`,
      `http://${own}.evil.example`,
      `ftp://${own}`,
      `http://${own}/`,
      `http://localhost:${test.port}`,
    ]) {
      assert.equal(await admits(origin), false, origin);
    }
  });

  it('may be our own, one of those that are set, or none', async () => {
    for (const origin of [
      undefined,
      `http://127.0.0.1:${test.port}`,
      `https://127.0.0.1:${test.port}`,
      'https://chat.example',
      'http://app.example:8080',
    ]) {
      assert.equal(await admits(origin), true, origin);
    }
  });

  it('may be any where that is set', async () => {
    await test.close();
    test = await openTestRealtime({ realtime: { corsOrigin: '*' } });
    for (const origin of ['https://evil.example', 'null']) assert.equal(await admits(origin), true);
  });
});
