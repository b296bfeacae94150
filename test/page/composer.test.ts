import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Locator } from 'playwright-core';
import { TestBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { noisePng } from '../support/png.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import type { Tab } from '../support/tab.ts';
import { TestBed } from '../support/test-bed.ts';

const MAX_TEXT_BYTES = 16_384;
const MAX_IMAGE_BYTES = 524_288;

describe('the composer', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let ann: Tab;
  let ben: Tab;

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '2' });
    const browser = bed.own(await TestBrowser.open(), (it) => it.close());
    ann = await (await browser.tab(server.url)).signIn('Ann');
    ben = await (await browser.tab(server.url)).signIn('Ben');
    await ben.joinRoom(await ann.createRoom('Gallery'));
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  const choose = async (name: string, mimeType: string, buffer: Buffer): Promise<void> => {
    const [chooser] = await Promise.all([ann.page.waitForEvent('filechooser'), ann.by('add-image').click()]);
    await chooser.setFiles({ name, mimeType, buffer });
  };
  /** The n-th picture of the other tab, when it is drawn. */
  const received = async (n: number): Promise<Locator> => {
    const picture = ben.page.locator('#messages .picture:not(.loading) img').nth(n);
    await picture.waitFor();
    assert.match((await picture.getAttribute('src')) ?? '', new RegExp(`^blob:${server.url}/`));
    return picture;
  };
  const sizeOf = (picture: Locator): Promise<number[]> => picture.evaluate((it) => [it.naturalWidth, it.naturalHeight]);

  it('sends a picture from the file chooser, which the other tab shows, small and large', async () => {
    await choose('noise.png', 'image/png', noisePng(120));
    await ann.by('previews').locator('img').waitFor();
    await ann.by('send').click();
    const picture = await received(0);
    assert.deepEqual(await sizeOf(picture), [120, 120]);

    await picture.click();
    const large = ben.page.locator('dialog img');
    await large.waitFor();
    assert.deepEqual(await sizeOf(large), [120, 120]);
    await ben.page.keyboard.press('Escape');
    await large.waitFor({ state: 'detached' });
  }, 20_000);

  it('makes a picture smaller that is too large', async () => {
    const tooLarge = noisePng(600);
    assert.ok(tooLarge.length > MAX_IMAGE_BYTES);
    await choose('large.png', 'image/png', tooLarge);
    await ann.by('previews').getByText('Made smaller').waitFor();
    await ann.by('send').click();
    const [width = 0] = await sizeOf(await received(1));
    assert.ok(width > 100);
  }, 20_000);

  it('says so when a file is no picture, or a broken one', async () => {
    await choose('notes.txt', 'text/plain', Buffer.from('no picture'));
    await ann.toast('“notes.txt” is no picture');
    await choose('broken.bmp', 'image/bmp', Buffer.from('no bitmap either'));
    await ann.toast('This file cannot be shown as a picture');
    assert.equal(await ann.by('previews').locator('img').count(), 0);
  }, 20_000);

  it('tells by how much a text is too long, counted in bytes, and does not send it', async () => {
    const before = (await ann.shown()).length;
    await ann.composer.fill('ü'.repeat(MAX_TEXT_BYTES / 2 + 512));
    const hint = ann.page.locator('#composer-hint');
    assert.match((await hint.textContent()) ?? '', /Too long by 1(\.0)? (KB|KiB|kB)/);
    assert.ok(await ann.by('send').isDisabled());
    await ann.composer.press('Enter');
    assert.equal((await ann.composer.inputValue()).length, MAX_TEXT_BYTES / 2 + 512);

    const fits = 'ü'.repeat(MAX_TEXT_BYTES / 2);
    await ann.write(fits);
    await ben.sees(fits);
    assert.equal((await ann.shown()).length, before + 1);
    assert.equal(await ann.composer.inputValue(), '');
  }, 20_000);

  it('keeps what is refused, says why, and sends it again or lets it go', async () => {
    await ann.write('/nobody knows this');
    const refused = ann.by('pending').and(ann.page.locator('[data-phase=failed]'));
    await refused.getByText('No bot knows that command').waitFor();
    // While a notice is shown, which must not lie over what is pressed next.
    await choose('notes.txt', 'text/plain', Buffer.from('no picture'));
    await ann.toast('“notes.txt” is no picture');
    await refused.getByTestId('retry').click({ timeout: 2000 });
    await refused.getByText('No bot knows that command').waitFor();
    await refused.getByTestId('discard').click({ timeout: 2000 });
    await refused.waitFor({ state: 'detached' });

    await ann.write('/hello=Ada');
    await eventually('the bot answers in both tabs', async () => {
      const answers = [ann, ben].map((it) => it.by('message').filter({ hasText: 'Ada' }).locator('.tag').count());
      return (await Promise.all(answers)).every((it) => it === 1);
    });
    assert.equal(await ann.by('pending').count(), 0);
  }, 20_000);
});
