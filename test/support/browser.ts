import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core';
import { Tab } from './tab.ts';

/** Nothing but the pages under test may go to the network. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A Chromium of its own, with a profile of its own, which is removed with it. */
export class TestBrowser {
  readonly #browser: Browser;
  readonly #tabs: Tab[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async open(): Promise<TestBrowser> {
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    return new TestBrowser(await chromium.launch({ executablePath, headless: true, args: FLAGS }));
  }

  /** The page at `url` in a context of its own: it shares nothing with the other tabs. */
  async tab(url: string, options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const tab = new Tab(await context.newPage(), new URL(url).origin);
    this.#tabs.push(tab);
    await tab.page.goto(url);
    return tab;
  }

  /** Fails when any page complained, or asked anybody but its own server. */
  async close(): Promise<void> {
    await this.#browser.close();
    const problems = this.#tabs.flatMap((it) => it.problems);
    if (problems.length > 0) throw new Error(`pages had problems:\n${problems.join('\n')}`);
  }
}
