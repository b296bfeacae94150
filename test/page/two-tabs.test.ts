import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { TestBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { readHistory } from '../support/rest.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import type { Tab } from '../support/tab.ts';
import { TestBed } from '../support/test-bed.ts';

const BACK_MS = 20_000;

describe('two tabs on two workers', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let browser: TestBrowser;
  let ann: Tab;
  let ben: Tab;
  let room: string;

  beforeAll(async () => {
    server = await bed.server({ INSTANCES: '2' });
    browser = bed.own(await TestBrowser.open(), (it) => it.close());
    ann = await (await browser.tab(server.url)).signIn('Ann');
    ben = await (await browser.tab(server.url)).signIn('Ben');
    await eventually('both workers say their names', () => ann.node !== '' && ben.node !== '');
    await ben.leaveWorker(ann.node);
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  it('chat both ways, and see who is there and who is typing', async () => {
    room = await ann.createRoom('Harbour');
    await ben.joinRoom(room);
    await ann.page.locator('[data-testid=member][data-online=true]').filter({ hasText: 'Ben' }).waitFor();
    await ben.page.locator('[data-testid=member][data-online=true]').filter({ hasText: 'Ann' }).waitFor();
    assert.notEqual(ann.node, ben.node);

    await ann.write('Is the tide in?');
    await ben.sees('Is the tide in?');
    await ben.composer.pressSequentially('Nearly');
    await ann.by('typing').getByText('Ben is typing').waitFor();
    await ben.composer.press('Enter');
    await ann.sees('Nearly');
    await ann.by('typing').getByText('Ben is typing').waitFor({ state: 'hidden' });
    await eventually('a screen reader is told', async () =>
      (await ann.by('live').textContent())?.includes('Ben: Nearly'),
    );
    assert.equal(await ann.by('live').getAttribute('aria-live'), 'polite');
  }, 30_000);

  it('show markup as the text that it is', async () => {
    const texts = ['<b>hello</b>', '<script>document.title = "taken"</script>', '<img src=x onerror=alert(1)>'];
    for (const text of texts) await ann.write(text);
    for (const tab of [ann, ben]) {
      await tab.sees(...texts);
      assert.equal(await tab.page.locator('#messages :is(b, script, img)').count(), 0);
      assert.doesNotMatch(await tab.page.title(), /taken/);
    }
  }, 20_000);

  it('resume by themselves after the server was away, and send what was written meanwhile', async () => {
    for (const tab of [ann, ben]) tab.serverIsAway = true;
    assert.equal((await server.stop()).code, 0);
    for (const tab of [ann, ben]) {
      await tab.page.locator('html:not([data-connection=online])').waitFor();
      await tab.by('banner').waitFor();
    }
    await ben.write('written while away');
    await ben.by('pending').and(ben.page.locator('[data-phase=sending]')).waitFor();
    assert.equal(await ben.message('written while away').count(), 0);

    server = await bed.again(server);
    await ann.online(BACK_MS);
    await ben.online(BACK_MS);
    for (const tab of [ann, ben]) await tab.sees('written while away');
    await ben.by('pending').waitFor({ state: 'detached' });
    await ann.write('welcome back');
    for (const tab of [ann, ben]) await tab.sees('welcome back');

    const history = await readHistory(server.url, await ann.token(), room);
    const log = history.map((it) => ({ seq: it.seq, text: it.message }));
    assert.equal(log.length, 7);
    assert.deepEqual(await ann.shown(), log);
    assert.deepEqual(await ben.shown(), log);
    for (const tab of [ann, ben]) assert.equal(await tab.by('banner').isVisible(), false);
    for (const tab of [ann, ben]) tab.serverIsAway = false;
  }, 60_000);

  it('see one another go and come', async () => {
    const away = ann.page.locator('[data-testid=member][data-online=false]').filter({ hasText: 'Ben' });
    assert.equal(await away.count(), 0);
    await ben.page.goto('about:blank');
    await away.waitFor();
    await ben.page.goBack();
    await away.waitFor({ state: 'detached' });
    // The address names the room, and the session is remembered.
    await ben.isIn('Harbour');
    await ben.sees('welcome back');
  }, 30_000);
});
