import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.ts';

function paper(): { stream: Writable; text: () => string; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const text = () => written.join('');
  const lines = () =>
    text()
      .split('\n')
      .filter((it) => it !== '')
      .map((it) => JSON.parse(it));
  return { stream, text, lines };
}

describe('createLogger', () => {
  it('writes one JSON object per line, with time, node and fields', () => {
    const { stream, lines } = paper();
    const log = createLogger({ level: 'info', format: 'json', stream, node: 'w1' });
    log.info('listening', { port: 3000, address: '127.0.0.1' });
    log.child({ worker: 2 }).child({ requestId: 'r1' }).warn('slow', { ms: 12 });
    expect(lines()).toEqual([
      expect.objectContaining({ level: 'info', message: 'listening', node: 'w1', port: 3000 }),
      expect.objectContaining({ level: 'warn', message: 'slow', node: 'w1', worker: 2, requestId: 'r1', ms: 12 }),
    ]);
    expect(lines()[0]?.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z$/);
  });

  it('writes its level and what matters more, and says so beforehand', () => {
    const { stream, lines } = paper();
    const log = createLogger({ level: 'http', format: 'json', stream });
    for (const level of ['error', 'warn', 'info', 'http', 'verbose', 'debug', 'silly'] as const) {
      log[level](level);
      expect(log.child({}).isLevelEnabled(level)).toBe(['error', 'warn', 'info', 'http'].includes(level));
    }
    expect(lines().map((it) => it.level)).toEqual(['error', 'warn', 'info', 'http']);
  });

  it('lets no field pass for level, message or time', () => {
    const { stream, lines } = paper();
    createLogger({ level: 'info', format: 'json', stream }).info('real', {
      message: 'forged',
      level: 'error',
      time: 0,
    });
    expect(lines()).toEqual([expect.objectContaining({ message: 'real', level: 'info', time: expect.any(String) })]);
  });

  it('writes errors with their causes, also aggregated ones', () => {
    const { stream, lines } = paper();
    const cause = Object.assign(new Error('ECONNREFUSED 127.0.0.1'), { code: 'ECONNREFUSED' });
    const err = new AggregateError([new Error('one')], 'closing failed', { cause });
    createLogger({ level: 'info', format: 'json', stream }).error('stopped', { err });
    expect(lines()[0]?.err).toMatchObject({
      name: 'AggregateError',
      message: 'closing failed',
      stack: expect.stringContaining('logger.test'),
      cause: { message: 'ECONNREFUSED 127.0.0.1', code: 'ECONNREFUSED' },
      errors: [{ name: 'Error', message: 'one' }],
    });
  });

  it('writes lines for people', () => {
    const { stream, text } = paper();
    const err = new Error('broken', { cause: new Error('deeper') });
    createLogger({ level: 'info', format: 'pretty', stream, node: 'w1' }).warn('look', { n: 1, words: 'a b', err });
    const [first = '', ...more] = text().split('\n');
    expect(first).toMatch(/^\S+Z warn {4}look node=w1 n=1 words="a b"$/);
    expect(more.join('\n')).toMatch(/ {2}err: Error: broken\n(?:.*\n)* {2}cause: Error: deeper\n/);
  });

  it.each(['json', 'pretty'] as const)('writes no secret in %s', (format) => {
    const { stream, text } = paper();
    const log = createLogger({ level: 'info', format, stream }).child({ accessToken: 'hunter2' });
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJlLWh1bnRlcjI';
    const err = Object.assign(new Error('GET /?token=hunter2&x=1', { cause: new Error('Bearer hunter2') }), {
      note: 'Authorization: Basic hunter2',
      request: { headers: { Authorization: 'Basic hunter2', cookie: 'hunter2' } },
    });
    log.info('Authorization: Bearer hunter2', {
      token: 'hunter2',
      PASSWORD: 'hunter2',
      'set-cookie': ['hunter2'],
      list: [{ client_secret: 'hunter2' }],
      url: new URL('https://me:hunter2@x.example/?api_key=hunter2'),
      body: '{"token": "hunter2", "a":1}',
      jwt,
      err,
    });
    expect(text()).not.toMatch(/hunter2|aHVudGVyMg|eyJ/);
    expect(text()).toContain('x=1');
  });

  it('survives what cannot be written as JSON', () => {
    const { stream, lines } = paper();
    const loop: Record<string, unknown> = {
      big: 1n,
      bytes: new Uint8Array(3),
      at: new Date(0),
      when: new Date(Number.NaN),
    };
    loop.self = loop;
    Object.defineProperty(loop, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    createLogger({ level: 'info', format: 'json', stream }).info('odd', { loop, map: new Map([['a', 1]]), fn: paper });
    expect(lines()[0]).toMatchObject({
      loop: { big: '1', bytes: '[3 bytes]', at: '1970-01-01T00:00:00.000Z', self: '[circular]', bad: '[unreadable]' },
      map: [['a', 1]],
    });
  });

  it('keeps the hash of a token: it tells tokens apart and opens nothing', () => {
    const { stream, lines } = paper();
    createLogger({ level: 'info', format: 'json', stream }).info('revoked', { tokenHash: 'ab12' });
    expect(lines()[0]?.tokenHash).toBe('ab12');
  });
});
