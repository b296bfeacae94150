import type { Locator, Page } from 'playwright-core';
import { eventually } from './eventually.ts';

const TIMEOUT_MS = 10_000;
/** What Chromium says of its own accord about a server that goes or is not there. */
const UNREACHABLE =
  /net::ERR_(CONNECTION_|EMPTY_RESPONSE|SOCKET)|WebSocket connection to '\S+' failed|WebSocket is already in CLOSING/;

/** An axis-aligned rectangle, in CSS pixels of the window. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The page in one tab, as a person uses it, and everything in it that went wrong. */
export class Tab {
  readonly page: Page;
  readonly problems: string[] = [];
  /** Set while the server is meant to be away. */
  serverIsAway = false;
  #node = '';

  constructor(page: Page, origin: string) {
    this.page = page;
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on('pageerror', (error) => this.problems.push(`uncaught: ${error.stack ?? error.message}`));
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      if (this.serverIsAway && UNREACHABLE.test(message.text())) return;
      this.problems.push(`console: ${message.text()} (${message.location().url})`);
    });
    // Violations of the content policy come to the console too, as errors.
    page.context().on('request', (request) => this.#expectOwn(request.url(), origin));
    page.on('websocket', (socket) => {
      this.#expectOwn(socket.url().replace(/^ws/, 'http'), origin);
      socket.on('framereceived', ({ payload }) => {
        const [, node] = /\["authentication",.*"node":"([^"]+)"/.exec(String(payload)) ?? [];
        if (node !== undefined) this.#node = node;
      });
    });
  }

  #expectOwn(url: string, origin: string): void {
    // `blob:` URLs have the origin of their page.
    if (!url.startsWith('data:') && new URL(url).origin !== origin) this.problems.push(`a request to ${url}`);
  }

  /** The worker that the page is connected to, as the worker itself said last. */
  get node(): string {
    return this.#node;
  }

  by(testid: string): Locator {
    return this.page.getByTestId(testid);
  }

  get composer(): Locator {
    return this.page.locator('#composer-input');
  }

  /** The value of an expression in the page. */
  ask<T>(expression: string): Promise<T> {
    return this.page.evaluate<T>(expression);
  }

  async signIn(name: string): Promise<this> {
    await this.page.locator('#name-input').fill(name);
    await this.by('enter').click();
    return this.online();
  }

  async signInByToken(token: string): Promise<this> {
    await this.by('use-token').click();
    await this.by('token-input').fill(token);
    await this.by('enter').click();
    return this.online();
  }

  async online(withinMs = TIMEOUT_MS): Promise<this> {
    await this.page.locator('html[data-connection=online]').waitFor({ timeout: withinMs });
    return this;
  }

  /** Connects again until the page is on another worker than `node`. */
  async leaveWorker(node: string): Promise<void> {
    for (let tries = 0; this.node === node; tries += 1) {
      if (tries === 20) throw new Error(`20 connections, and all to the worker ${node}`);
      this.#node = '';
      await this.page.reload();
      await this.online();
      await eventually('the worker says its name', () => this.node);
    }
  }

  token(): Promise<string> {
    return this.ask<string>("JSON.parse(localStorage.getItem('parley:session')).token");
  }

  /** Creates a public room, and resolves with its id when it is open. */
  async createRoom(name: string): Promise<string> {
    await this.by('create-room').click();
    await this.by('room-name').fill(name);
    await this.page.locator('#create-room-form [type=submit]').click();
    await this.page.locator('#create-room-form').waitFor({ state: 'detached' });
    await this.isIn(name);
    return (await this.ask<string>('location.hash')).replace('#/room/', '');
  }

  async openRoom(id: string): Promise<void> {
    await this.page.locator(`li[data-room="${id}"] button`).click();
    await this.page.locator(`li[data-room="${id}"] [aria-current=page]`).waitFor();
  }

  /** Opens a room that this user is no member of, and joins it. */
  async joinRoom(id: string): Promise<void> {
    await this.openRoom(id);
    await this.by('join-bar').click();
    await this.composer.waitFor();
  }

  isIn(name: string): Promise<void> {
    return this.by('room-title')
      .and(this.page.getByText(name, { exact: true }))
      .waitFor();
  }

  /** Writes as a person does; resolves when it is sent off, not when it is stored. */
  async write(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press('Enter');
  }

  message(text: string): Locator {
    return this.by('message').filter({ has: this.page.locator('.text').getByText(text, { exact: true }) });
  }

  async sees(...texts: readonly string[]): Promise<void> {
    for (const text of texts) await this.message(text).waitFor();
  }

  member(name: string): Locator {
    return this.by('member').filter({ has: this.page.locator('.member-name').getByText(name) });
  }

  async toast(text: string): Promise<void> {
    await this.by('toast').filter({ hasText: text }).first().waitFor();
  }

  /** What the page shows of the log, in its order. */
  shown(): Promise<{ seq: number; text: string }[]> {
    return this.ask(`[...document.querySelectorAll('#messages > li[data-seq]')].map((it) => ({
      seq: Number(it.dataset.seq),
      text: it.querySelector('.text')?.textContent ?? '',
    }))`);
  }

  async box(locator: Locator): Promise<Box> {
    const box = await locator.boundingBox();
    if (box === null) throw new Error(`not to be seen: ${String(locator)}`);
    return box;
  }

  /**
   * Roles of controls without a name, as the browser tells them to a screen reader. Empty when every control that can be
   * reached has one.
   */
  async unnamedControls(): Promise<string[]> {
    const session = await this.page.context().newCDPSession(this.page);
    const { nodes } = await session.send('Accessibility.getFullAXTree');
    await session.detach();
    const controls = nodes.filter((it) => !it.ignored && CONTROLS.has(String(it.role?.value)));
    if (controls.length === 0) throw new Error('no control at all');
    return controls.flatMap((it) => (String(it.name?.value ?? '').trim() === '' ? [String(it.role?.value)] : []));
  }
}

const CONTROLS = new Set([
  'button',
  'checkbox',
  'combobox',
  'dialog',
  'link',
  'listbox',
  'menuitem',
  'searchbox',
  'textbox',
]);
