import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Locator } from 'playwright-core';
import { TestBrowser } from '../support/browser.ts';
import { createGuest, createRoom, expectStatus, joinRoom, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import type { Tab } from '../support/tab.ts';
import { TestBed } from '../support/test-bed.ts';

const PHONE = {
  viewport: { width: 360, height: 740 },
  isMobile: true,
  hasTouch: true,
  reducedMotion: 'reduce',
} as const;
const LONG = 'Rhabarberbarbarabar'.repeat(4);

describe('the layout', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let browser: TestBrowser;

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '2' });
    browser = bed.own(await TestBrowser.open(), (it) => it.close());
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  /** What reaches beyond the window although it is shown, and not cut off by something that scrolls or clips. */
  const overflowing = (tab: Tab): Promise<string[]> =>
    tab.ask(`(() => {
      const root = document.scrollingElement;
      const found = root.scrollWidth > root.clientWidth ? ['the page: ' + root.scrollWidth] : [];
      for (const it of document.querySelectorAll('body *')) {
        const style = getComputedStyle(it);
        if (style.visibility === 'hidden' || it.closest('[inert], .sr-only, .skip, svg') !== null) continue;
        const box = it.getBoundingClientRect();
        const name = it.tagName + '.' + it.className;
        if (box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5)) {
          let clip = it.parentElement;
          while (clip !== null && !['hidden', 'clip'].includes(getComputedStyle(clip).overflowX)) clip = clip.parentElement;
          if (clip === null || clip === document.body || clip.matches('.timeline')) found.push(name + ' ' + box.right);
        }
        if (it.matches('main, .timeline, .sidebar, .members, .dialog, .card, .composer-row') && it.scrollWidth > it.clientWidth) {
          found.push(name + ' scrolls');
        }
      }
      return found;
    })()`);

  it('fits a phone, whatever people write', async () => {
    const host = await createGuest(server.url, LONG);
    const room = await createRoom(server.url, host.token, LONG);
    const at = `/v1/chat/rooms/${room}`;
    const { token } = host;
    await expectStatus(200, rest(server.url, `PATCH ${at}`, { token, body: { topic: `${LONG} ${LONG}` } }));
    const texts = [LONG.repeat(5), `https://example.org/${LONG}?${LONG}`, 'short', 'مرحبا بالعالم'];
    let inReplyTo: string | undefined;
    for (const message of texts) {
      const body = { message, ...(inReplyTo === undefined ? {} : { inReplyTo }) };
      const sent = await expectStatus(201, rest<{ id: string }>(server.url, `POST ${at}/messages`, { token, body }));
      inReplyTo = sent.body.id;
    }

    const tab = await browser.tab(server.url, PHONE);
    assert.deepEqual(await overflowing(tab), []);
    await tab.signIn('Phone');
    await tab.by('welcome').waitFor();
    assert.deepEqual(await overflowing(tab), []);

    await tab.by('open-rooms').tap();
    await tab.page.locator(`li[data-room="${room}"]`).waitFor();
    assert.deepEqual(await overflowing(tab), []);
    await tab.page.locator(`li[data-room="${room}"] button`).tap();
    await tab.by('join-bar').tap();
    await tab.composer.fill(`${LONG} `.repeat(4));
    await tab.by('send').tap();
    await tab.page.locator('li[data-seq="5"]').waitFor();
    assert.equal(await tab.by('quote').count(), 3);
    assert.deepEqual(await overflowing(tab), []);
    assert.equal((await tab.box(tab.by('composer-input'))).width > 180, true);

    // What answers a touch is at least as large as the guidelines want (24 CSS pixels).
    const small = await tab.ask<string[]>(`[...document.querySelectorAll('button')]
      .filter((it) => it.checkVisibility({ visibilityProperty: true }) && it.closest('[inert]') === null)
      .filter((it) => it.getBoundingClientRect().width < 24 || it.getBoundingClientRect().height < 24)
      .map((it) => it.outerHTML)`);
    assert.deepEqual(small, []);
    assert.deepEqual(await tab.unnamedControls(), []);

    await tab.by('open-rooms').tap();
    await tab.by('create-room').tap();
    await tab.by('create-room-form').waitFor();
    assert.deepEqual(await overflowing(tab), []);
    await tab.by('room-name').fill('Pocket');
    await tab.by('create-room-form').getByTestId('submit').tap();
    await tab.isIn('Pocket');
    await tab.page.locator('#rooms').waitFor({ state: 'hidden' });
  }, 30_000);

  it('keeps rooms and members of a phone in drawers', async () => {
    const host = await createGuest(server.url, 'Host');
    const room = await createRoom(server.url, host.token, 'Drawers');
    const tab = await (await browser.tab(`${server.url}/#/room/${room}`, PHONE)).signIn('Drawer');
    await tab.isIn('Drawers');
    await joinRoom(server.url, await tab.token(), room);
    const rooms = tab.page.locator('#rooms');
    const members = tab.page.locator('#members');
    const shut = (drawer: Locator) => drawer.waitFor({ state: 'hidden' });
    await shut(rooms);
    await shut(members);

    await tab.by('open-rooms').tap();
    await rooms.waitFor();
    assert.deepEqual(await overflowing(tab), []);
    assert.deepEqual(await tab.unnamedControls(), []);
    await tab.page.keyboard.press('Escape');
    await shut(rooms);
    assert.equal(await tab.by('open-rooms').evaluate((it) => it.matches(':focus')), true);

    await tab.by('open-members').tap();
    await members.waitFor();
    await tab.member('Host').waitFor();
    assert.deepEqual(await overflowing(tab), []);
    // Beside it.
    await tab.page.touchscreen.tap(8, 400);
    await shut(members);

    await tab.by('open-members').tap();
    await members.waitFor();
    await members.getByRole('button', { name: 'Close the list of members' }).tap();
    await shut(members);

    await tab.by('open-rooms').tap();
    await tab.page.locator(`li[data-room="${room}"] button`).tap();
    await shut(rooms);
    await tab.composer.tap();
    await tab.composer.fill('from a phone');
    await tab.by('send').tap();
    await tab.sees('from a phone');
  }, 30_000);

  it('is dark or light as the system is, or as the toggle says', async () => {
    const tab = await (await browser.tab(server.url, { colorScheme: 'dark' })).signIn('Theme');
    const isDark = async (): Promise<boolean> => {
      const { color, paper } = await tab.ask<{ color: number[]; paper: number[] }>(`(() => {
        const { color, backgroundColor } = getComputedStyle(document.body);
        const numbers = (it) => it.match(/[\\d.]+/g).map(Number);
        return { color: numbers(color), paper: numbers(backgroundColor) };
      })()`);
      const sum = (it: number[]) => it.slice(0, 3).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum(color) - sum(paper)) > 450, 'text stands out');
      return sum(paper) < sum(color);
    };
    const toggle = tab.by('theme-toggle');
    assert.equal(await isDark(), true);
    await tab.page.emulateMedia({ colorScheme: 'light' });
    assert.equal(await isDark(), false);

    await toggle.click();
    assert.match((await toggle.getAttribute('aria-label')) ?? '', /light/);
    await tab.page.emulateMedia({ colorScheme: 'dark' });
    assert.equal(await isDark(), false);
    await toggle.click();
    await tab.page.emulateMedia({ colorScheme: 'light' });
    assert.equal(await isDark(), true);
    await tab.page.reload();
    await tab.online();
    assert.equal(await isDark(), true);
    await toggle.click();
    assert.equal(await isDark(), false);
  }, 20_000);
});
