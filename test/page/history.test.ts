import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { TestBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, createRoom, expectStatus, type Guest, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import type { Tab } from '../support/tab.ts';
import { TestBed } from '../support/test-bed.ts';

const COUNT = 300;
/** Of every height: a jump shows only where pages differ. */
const textOf = (n: number): string =>
  `message ${n}\n${'and another line\n'.repeat(n % 7)}${'long '.repeat((n % 5) * 40)}.`;

describe('a long history', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let guest: Guest;
  let room: string;
  let tab: Tab;

  const post = (message: string) =>
    expectStatus(
      201,
      rest(server.url, `POST /v1/chat/rooms/${room}/messages`, { token: guest.token, body: { message } }),
    );
  /** Of its lower edge: above its text, a day and a name may go when another message comes before it. */
  const placeOf = (seq: number): Promise<number> =>
    tab.ask(`document.querySelector('li[data-seq="${seq}"]').getBoundingClientRect().bottom`);
  const firstShown = async (): Promise<number> => (await tab.shown())[0]?.seq ?? 0;
  const distanceToEnd = (): Promise<number> =>
    tab.by('timeline').evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '2' });
    guest = await createGuest(server.url, 'Chronicler');
    room = await createRoom(server.url, guest.token, 'Archive');
    for (let n = 1; n <= COUNT; n += 1) await post(textOf(n));
    const browser = bed.own(await TestBrowser.open(), (it) => it.close());
    tab = await (await browser.tab(server.url)).signInByToken(guest.token);
    await tab.openRoom(room);
    await tab.page.locator(`li[data-seq="${COUNT}"]`).waitFor();
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  it('opens at its end, with no more than is needed', async () => {
    await eventually('the newest is in sight', async () => (await distanceToEnd()) < 2);
    assert.ok((await tab.shown()).length <= COUNT / 2);
  });

  it('loads upwards without a jump, to its beginning', async () => {
    let loads = 0;
    for (let first = await firstShown(); first > 1; first = await firstShown()) {
      // At once and without an answer in between: what is asked is where the old first message lies after the load.
      const before = await tab.ask<number>(`(() => {
        document.querySelector('.timeline').scrollTop = 40;
        return document.querySelector('li[data-seq="${first}"]').getBoundingClientRect().bottom;
      })()`);
      await eventually('older messages come', async () => (await firstShown()) < first);
      assert.ok(
        Math.abs((await placeOf(first)) - before) <= 1,
        `${first} moved from ${before} to ${await placeOf(first)}`,
      );
      loads += 1;
    }
    assert.ok(loads >= 3, `${loads} loads`);
    assert.deepEqual(
      await tab.shown(),
      Array.from({ length: COUNT }, (_, i) => ({ seq: i + 1, text: textOf(i + 1) })),
    );
    await tab.page.getByText('This is the beginning of Archive.').waitFor();
  }, 30_000);

  it('stays where one reads while new messages come, and says how many', async () => {
    await tab.by('timeline').evaluate((it) => it.scrollTo(0, it.scrollHeight / 2));
    await tab.by('to-end').waitFor();
    const [{ seq } = { seq: 0 }] = (await tab.shown()).slice(COUNT / 2);
    const before = await placeOf(seq);
    await post('news');
    await post('more news');
    await tab.by('to-end').getByText('2 new').waitFor();
    assert.equal(await placeOf(seq), before);
    await tab.by('to-end').click();
    await eventually('the newest is in sight', async () => (await distanceToEnd()) < 2);
    await tab.by('to-end').waitFor({ state: 'hidden' });
  }, 20_000);
});
