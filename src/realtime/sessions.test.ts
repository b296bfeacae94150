import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Chat } from '../chat/chat.ts';
import { tryAgain } from '../chat/errors.ts';
import type { NodeEvent } from '../chat/ports/bus.ts';
import type { Session } from './session.ts';
import { Sessions } from './sessions.ts';

function open() {
  const clock = new FakeClock();
  const online = new Set<string>();
  const told: NodeEvent[] = [];
  const away = { now: false };
  const change = (user: string, here: boolean): Promise<boolean> => {
    if (away.now) return Promise.reject(tryAgain('the main process'));
    const changed = online.has(user) !== here;
    if (here) online.add(user);
    else online.delete(user);
    return Promise.resolve(changed);
  };
  const presence = { enter: (user: string) => change(user, true), exit: (user: string) => change(user, false) };
  const hub = { tellAll: (event: NodeEvent) => told.push(event) };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const sessions = new Sessions({ presence, hub, log, clock } as object as Chat);
  const session = { account: { user: 'ann' }, rooms: ['r'] } as object as Session;
  return { clock, online, told, away, sessions, session };
}

describe('Sessions', () => {
  it('tells the first and the last session of a user, and no other', async () => {
    const { clock, told, sessions, session } = open();
    const second = { ...session } as Session;
    for (const it of [session, second]) {
      sessions.add(it);
      sessions.connected(it);
    }
    sessions.remove(second);
    sessions.remove(session);
    await clock.advance(0);
    expect(told).toEqual([
      { kind: 'status', user: 'ann', status: 1, rooms: ['r'] },
      { kind: 'status', user: 'ann', status: 2, rooms: ['r'] },
    ]);
  });

  it('leaves nobody online for ever whose leaving could not be told at once', async () => {
    const { clock, online, told, away, sessions, session } = open();
    sessions.add(session);
    sessions.connected(session);
    await clock.advance(0);
    away.now = true;
    sessions.remove(session);
    await clock.advance(5000);
    expect(online).toEqual(new Set(['ann']));
    away.now = false;
    await clock.advance(1000);
    expect(online).toEqual(new Set());
    expect(told.at(-1)).toMatchObject({ status: 2 });
  });

  it('does not tell a leaving late when the user is back', async () => {
    const { clock, online, away, sessions, session } = open();
    sessions.add(session);
    sessions.connected(session);
    await clock.advance(0);
    away.now = true;
    sessions.remove(session);
    await clock.advance(0);
    away.now = false;
    sessions.connected(session);
    await clock.advance(5000);
    expect(online).toEqual(new Set(['ann']));
  });
});
