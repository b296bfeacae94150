import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { TestBrowser } from '../support/browser.ts';
import type { Tab } from '../support/tab.ts';
import { TestBed } from '../support/test-bed.ts';

describe('moderation', () => {
  const bed = new TestBed();
  let ann: Tab;
  let ben: Tab;
  let cleo: Tab;
  let room: string;

  beforeAll(async () => {
    const server = await bed.server({ INSTANCES: '2' });
    const browser = bed.own(await TestBrowser.open(), (it) => it.close());
    ann = await (await browser.tab(server.url)).signIn('Ann');
    ben = await (await browser.tab(server.url)).signIn('Ben');
    cleo = await (await browser.tab(server.url)).signIn('Cleo');
    room = await ann.createRoom('Parlour');
    await ben.joinRoom(room);
    await cleo.joinRoom(room);
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  const about = async (tab: Tab, name: string, what: string): Promise<void> => {
    await tab.page.getByRole('button', { name: `What to do about ${name}` }).click();
    await tab.page.getByRole('menuitem', { name: what }).click();
  };

  it('is offered to nobody but moderators and the owner', async () => {
    for (const tab of [ben, cleo]) {
      await tab.member('Ann').waitFor();
      assert.equal(await tab.page.getByRole('button', { name: /^What to do about/ }).count(), 0);
      assert.equal(await tab.by('open-settings').isVisible(), false);
    }
    assert.equal(await ann.page.getByRole('button', { name: /^What to do about/ }).count(), 2);
  });

  it('by somebody whom the owner made a moderator deletes what another wrote', async () => {
    await cleo.write('something rude');
    await ben.sees('something rude');
    await ben.message('something rude').hover();
    assert.equal(await ben.message('something rude').getByTestId('delete').count(), 0);

    await about(ann, 'Ben', 'Make a moderator');
    for (const tab of [ann, ben]) await tab.member('Ben').getByText('Moderator').waitFor();
    await ben.message('something rude').hover();
    await ben.message('something rude').getByTestId('delete').click();
    await ben.by('confirm-yes').click();
    for (const tab of [ann, ben, cleo]) {
      await tab.sees('This message was deleted');
      assert.deepEqual(await tab.shown(), [{ seq: 1, text: 'This message was deleted' }]);
    }
    assert.equal(await ben.page.getByRole('button', { name: 'What to do about Ann' }).count(), 0);
  }, 20_000);

  it('removes a member, who sees it, reads on, and may come back', async () => {
    await about(ben, 'Cleo', 'Remove from the room');
    await cleo.toast('You were removed from “Parlour”.');
    await cleo.by('join-bar').waitFor();
    assert.equal(await cleo.composer.isVisible(), false);
    for (const tab of [ann, ben]) await tab.member('Cleo').waitFor({ state: 'detached' });
    await ann.write('peace and quiet');
    await cleo.sees('peace and quiet');
    await cleo.by('join-bar').click();
    await cleo.composer.waitFor();
    await ann.member('Cleo').waitFor();
  }, 20_000);

  it('bans a member, who sees it and cannot come back until the ban is lifted', async () => {
    await about(ann, 'Cleo', 'Ban…');
    await ann.page.locator('#ban-reason').fill('rude again');
    await ann.by('ban').getByTestId('submit').click();
    await ann.by('ban').waitFor({ state: 'detached' });
    await cleo.toast('You were banned from “Parlour”.');
    await cleo.by('welcome').waitFor();
    assert.equal(await cleo.by('message').count(), 0);
    for (const tab of [ann, ben]) await tab.member('Cleo').waitFor({ state: 'detached' });

    await cleo.page.locator(`li[data-room="${room}"] button`).click();
    await cleo.toast('You are banned from this room.');
    await cleo.by('welcome').waitFor();

    await ann.by('open-settings').click();
    await ann.by('room-settings').getByRole('button', { name: 'Lift the ban' }).click();
    await ann.toast('The ban is lifted.');
    await ann.page.keyboard.press('Escape');
    await cleo.joinRoom(room);
    await cleo.write('sorry');
    await ann.sees('sorry');
  }, 30_000);
});
