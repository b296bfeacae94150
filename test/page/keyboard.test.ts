import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Locator } from 'playwright-core';
import { TestBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { createGuest, expectStatus, joinRoom, rest } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import type { Tab } from '../support/tab.ts';
import { TestBed } from '../support/test-bed.ts';

const MAX_STOPS = 60;

/** Where the focus is, whether that can be seen, and what a person would call it. */
interface Stop {
  readonly name: string;
  readonly marked: boolean;
  readonly inSight: boolean;
}

describe('with the keyboard alone', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let tab: Tab;
  let room: string;

  const press = (...keys: readonly string[]): Promise<void> =>
    keys.reduce((before, key) => before.then(() => tab.page.keyboard.press(key)), Promise.resolve());
  const type = (text: string): Promise<void> => tab.page.keyboard.type(text);
  const isFocused = (locator: Locator): Promise<boolean> => locator.evaluate((it) => it.matches(':focus'));
  const focused = (what: string, locator: Locator): Promise<unknown> =>
    eventually(`the focus is on ${what}`, () => isFocused(locator));

  /** Presses Tab until the focus is there. */
  const tabTo = async (locator: Locator, key = 'Tab'): Promise<void> => {
    for (let stops = 0; !(await isFocused(locator)); stops += 1) {
      if (stops === MAX_STOPS) throw new Error(`${MAX_STOPS} times ${key}, and never at ${String(locator)}`);
      await press(key);
    }
  };

  /** The composer shows the focus by its border, everything else by an outline. */
  const stop = (): Promise<Stop> =>
    tab.ask<Stop>(`(() => {
      const at = document.activeElement;
      const box = at.getBoundingClientRect();
      const style = getComputedStyle(at);
      const frame = at.closest('.composer');
      const accent = getComputedStyle(document.querySelector('.send')).backgroundColor;
      const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      return {
        name: at === document.body ? 'BODY' : at.id || at.getAttribute('aria-label') || at.textContent || at.tagName,
        marked: outlined || (frame !== null && getComputedStyle(frame).borderTopColor === accent),
        inSight: box.width > 0 && box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight,
      };
    })()`);

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '2' });
    const browser = bed.own(await TestBrowser.open(), (it) => it.close());
    // Without motion what has the focus is where it will be.
    tab = await browser.tab(server.url, { reducedMotion: 'reduce' });
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  it('one signs in, creates a room and writes', async () => {
    await focused('the name', tab.page.locator('#name-input'));
    assert.deepEqual(await tab.unnamedControls(), []);
    await type('Kay');
    await press('Enter');
    await tab.online();
    assert.deepEqual(await tab.unnamedControls(), []);

    await tabTo(tab.by('create-room'));
    await press('Enter');
    await focused('the name of the room', tab.by('room-name'));
    assert.deepEqual(await tab.unnamedControls(), []);
    await type('Keys');
    await press('Enter');
    await tab.isIn('Keys');
    await focused('the composer', tab.composer);
    await type('first line');
    await press('Shift+Enter');
    await type('second line');
    await press('Enter');
    await tab.sees('first line\nsecond line');
    room = (await tab.ask<string>('location.hash')).replace('#/room/', '');
  }, 30_000);

  it('one goes through messages, answers, edits and deletes', async () => {
    await type('to be deleted');
    await press('Enter');
    await tab.sees('to be deleted');
    const first = tab.page.locator('li[data-seq="1"]');
    const second = tab.page.locator('li[data-seq="2"]');
    await tabTo(second, 'Shift+Tab');
    await press('ArrowUp');
    await focused('the first message', first);
    await press('r');
    await tab.by('composer-mode').getByText('Replying to Kay').waitFor();
    await type('an answer');
    await press('Enter');
    await tab.sees('an answer');
    await tab.by('quote').getByText('first line').waitFor();

    await press('ArrowUp');
    await tab.by('composer-mode').getByText('Editing your message').waitFor();
    await press('Escape');
    await tab.by('composer-mode').waitFor({ state: 'hidden' });
    await press('ArrowUp', 'End');
    await type(', better');
    await press('Enter');
    await tab.sees('an answer, better');

    await tabTo(tab.page.locator('li[data-seq="3"]'), 'Shift+Tab');
    await press('ArrowUp', 'Delete');
    await tab.by('confirm').waitFor();
    assert.deepEqual(await tab.unnamedControls(), []);
    await press('Escape');
    await tab.by('confirm').waitFor({ state: 'detached' });
    await focused('the message again', second);
    await press('Delete');
    await focused('the button', tab.by('confirm-yes'));
    await press('Enter');
    await tab.sees('This message was deleted');
  }, 30_000);

  it('one opens menus, and Escape closes them and goes back', async () => {
    const guest = await createGuest(server.url, 'Guest');
    await joinRoom(server.url, guest.token, room);
    const more = tab.page.getByRole('button', { name: 'What to do about Guest' });
    await more.waitFor();
    await tabTo(more);
    await press('Enter');
    await focused('the first item', tab.page.getByRole('menuitem').first());
    assert.deepEqual(await tab.unnamedControls(), []);
    assert.equal(await more.getAttribute('aria-expanded'), 'true');
    await press('ArrowDown');
    await focused('the second item', tab.page.getByRole('menuitem').nth(1));
    await press('Escape');
    await tab.by('menu').waitFor({ state: 'detached' });
    await focused('the button of the menu', more);

    await press('Enter', 'End', 'Enter');
    await tab.by('ban').waitFor();
    await press('Escape');
    await tab.by('ban').waitFor({ state: 'detached' });
    await focused('the button of the menu', more);

    await tabTo(tab.by('open-settings'), 'Shift+Tab');
    await press('Enter');
    await tab.by('room-settings').waitFor();
    assert.deepEqual(await tab.unnamedControls(), []);
    await press('Escape');
    await tab.by('room-settings').waitFor({ state: 'detached' });
    await focused('the settings', tab.by('open-settings'));
  }, 30_000);

  it('one finds a room, and hears of what others write', async () => {
    const guest = await createGuest(server.url, 'Neighbour');
    const body = { name: 'Next door' };
    await expectStatus(201, rest(server.url, 'POST /v1/chat/rooms', { token: guest.token, body }));
    await tab.by('other-rooms').getByText('Next door').waitFor();
    await press('Control+k');
    await focused('the search', tab.by('room-search'));
    await type('next');
    await press('Enter');
    await focused('the room', tab.by('room').locator('button'));
    await press('Enter');
    await tab.isIn('Next door');
    await tab.by('join-bar').waitFor();
    await tab.page.goBack();
    await tab.isIn('Keys');
  }, 20_000);

  it('every stop of Tab is in sight, marked, and has a name', async () => {
    await tab.by('room-search').fill('');
    await tab.composer.focus();
    await type('so that it can be sent');
    const stops: Stop[] = [];
    do {
      await press('Tab');
      stops.push(await stop());
    } while (stops.at(-1)?.name !== 'composer-input' && stops.length < MAX_STOPS);
    const seen = stops.filter((it) => it.name !== 'BODY');
    assert.ok(seen.length >= 12 && seen.length < MAX_STOPS, `${seen.length} stops`);
    assert.deepEqual(
      seen.filter((it) => !it.marked || !it.inSight),
      [],
    );
    assert.deepEqual(await tab.unnamedControls(), []);
  }, 30_000);
});
