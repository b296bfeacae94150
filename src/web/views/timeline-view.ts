import type { LogChange, Message, RoomMessages } from '../../sdk/client.ts';
import type { Chat } from '../chat.ts';
import { selectedRoom, standing } from '../chat-state.ts';
import { el, icon, keyed, setText } from '../dom.ts';
import { ImageCache } from '../images.ts';
import { may } from '../permissions.ts';
import { preview } from '../text.ts';
import { confirmed } from './dialog.ts';
import { type MessageContext, messageItem, pendingItem } from './message-view.ts';

/** This close to the end counts as reading along. */
const NEAR_END_PX = 80;
/** This close to the beginning the page before is loaded. */
const NEAR_START_PX = 600;
/** How far a click on a quote goes back for a message that is not loaded. */
const MAX_PAGES_BACK = 40;

export interface Composing {
  reply(message: Message): void;
  edit(message: Message): void;
}

export function timelineView(chat: Chat, composing: Composing): { element: HTMLElement; close: () => void } {
  const { store } = chat;
  const images = new ImageCache(chat.rest.image);
  const messages = el('ol', {
    class: 'message-list',
    id: 'messages',
    testid: 'messages',
    attrs: { 'aria-label': 'Messages' },
  });
  const pending = el('ol', {
    class: 'message-list',
    testid: 'pending-messages',
    attrs: { 'aria-label': 'Messages on their way' },
  });
  const beginning = el('p', { class: 'beginning' });
  const content = el('div', { class: 'timeline-content' }, beginning, messages, pending);
  const scroller = el('div', { class: 'timeline', testid: 'timeline' }, content);
  const spoken = el('div', { class: 'sr-only', testid: 'live', attrs: { 'aria-live': 'polite', role: 'status' } });
  const toEnd = el(
    'button',
    { class: 'to-end', testid: 'to-end', attrs: { type: 'button' }, on: { click: () => stick(true) } },
    icon('down'),
    el('span', {}, 'Newest'),
  );

  let view: RoomMessages | undefined;
  let offView: () => void = () => {};
  let stuck = true;
  let missed = 0;
  let loading = false;
  let stop: HTMLElement | undefined;
  const fetched = new Map<string, Promise<Message | undefined>>();

  const itemAt = (seq: number): HTMLElement | null => messages.querySelector<HTMLElement>(`[data-seq="${seq}"]`);

  const context = (): MessageContext => ({
    me: store.state.me?.user,
    newAfter: store.state.newAfter,
    images,
    find: (id) => {
      const room = view?.room;
      const here = view?.list.find((it) => it.id === id);
      if (here !== undefined || room === undefined) return Promise.resolve(here);
      const known = fetched.get(id) ?? chat.rest.message(room, id).catch(() => undefined);
      fetched.set(id, known);
      return known;
    },
    show: (message) => void show(message),
    mayWrite: () => may.write(standing(store.state)),
    mayEdit: chat.mayEdit,
    mayDelete: chat.mayDelete,
    reply: composing.reply,
    edit: composing.edit,
    remove: (message) => void remove(message),
  });

  const remove = async (message: Message): Promise<void> => {
    const sure = await confirmed({
      title: 'Delete this message?',
      text: message.type === 3 ? 'The picture will be gone for everybody.' : `“${preview(message.message, 80)}”`,
      action: 'Delete',
    });
    if (sure) await chat.deleteMessage(message);
  };

  /** Goes to a message, loading what lies before it. */
  const show = async (message: Message): Promise<void> => {
    const shown = view;
    for (let pages = 0; itemAt(message.seq) === null && pages < MAX_PAGES_BACK; pages += 1) {
      if (shown === undefined || shown !== view || !(await loadOlder())) break;
    }
    const item = itemAt(message.seq);
    if (item === null) return;
    stuck = false;
    item.scrollIntoView({ block: 'center' });
    item.focus({ preventScroll: true });
    item.classList.remove('flash');
    requestAnimationFrame(() => item.classList.add('flash'));
  };

  const stick = (now: boolean): void => {
    stuck = now;
    if (now) {
      missed = 0;
      scroller.scrollTop = scroller.scrollHeight;
    }
    toEnd.hidden = stuck;
    setText(toEnd.querySelector('span') ?? toEnd, missed === 0 ? 'Newest' : `${missed} new`);
    markRead();
  };

  const markRead = (): void => {
    const last = view?.list.at(-1);
    if (stuck && last !== undefined && document.visibilityState === 'visible' && document.hasFocus()) {
      chat.markRead(last.seq);
    }
  };

  const loadOlder = async (): Promise<boolean> => {
    if (view === undefined || !view.hasOlder || loading) return false;
    loading = true;
    showBeginning();
    let count = 0;
    const done = await chat.attempt(async () => {
      count = (await view?.loadOlder()) ?? 0;
    });
    loading = false;
    showBeginning();
    return done && count > 0;
  };

  /** Fills the visible part, and a bit before it. */
  const fill = async (): Promise<void> => {
    while (view?.state === 'live' && scroller.scrollTop < NEAR_START_PX && (await loadOlder()));
  };

  const showBeginning = (): void => {
    const room = selectedRoom(store.state);
    const begun = view !== undefined && view.state !== 'loading' && !view.hasOlder;
    const empty = begun && view?.list.length === 0;
    const text =
      loading || view?.state === 'loading'
        ? 'Loading…'
        : empty
          ? 'Nothing has been said here yet.'
          : begun
            ? `This is the beginning of ${room?.name ?? 'this room'}.`
            : '';
    setText(beginning, text);
  };

  const build = (from: number, count: number): HTMLElement[] => {
    const list = view?.list ?? [];
    const now = context();
    return list.slice(from, from + count).map((it, i) => {
      const item = messageItem(it, list[from + i - 1], now);
      setStop(item, false);
      return item;
    });
  };

  const redraw = (seq: number): void => {
    const at = view?.list.findIndex((it) => it.seq === seq) ?? -1;
    const item = itemAt(seq);
    if (at < 0 || item === null) return;
    const focused = item.contains(document.activeElement);
    const [fresh] = build(at, 1);
    if (fresh === undefined) return;
    item.replaceWith(fresh);
    if (focused) fresh.focus({ preventScroll: true });
  };

  const redrawAll = (): void => {
    messages.replaceChildren(...build(0, view?.list.length ?? 0));
    rove();
  };

  const announce = (fresh: readonly Message[]): void => {
    const others = fresh.filter((it) => it.owner !== store.state.me?.user);
    const last = others.at(-1);
    if (last === undefined) return;
    const said = last.type === 3 ? 'sent a picture' : preview(last.message);
    setText(
      spoken,
      `${others.length > 1 ? `${others.length} new messages. ` : ''}${last.bot?.name ?? last.ownerName}: ${said}`,
    );
  };

  const apply = (change: LogChange): void => {
    const list = view?.list ?? [];
    switch (change.kind) {
      case 'appended': {
        messages.append(...build(list.length - change.messages.length, change.messages.length));
        announce(change.messages);
        missed += change.messages.length;
        stick(stuck);
        break;
      }
      case 'prepended': {
        const height = scroller.scrollHeight;
        const top = scroller.scrollTop;
        messages.prepend(...build(0, change.messages.length));
        const first = list[change.messages.length];
        if (first !== undefined) redraw(first.seq);
        scroller.scrollTop = stuck ? scroller.scrollHeight : top + scroller.scrollHeight - height;
        break;
      }
      case 'changed':
        for (const it of change.messages) redraw(it.seq);
        break;
      default:
        redrawAll();
    }
    rove();
    showBeginning();
  };

  const attach = (next: RoomMessages | undefined): void => {
    offView();
    view = next;
    missed = 0;
    fetched.clear();
    setText(spoken, '');
    redrawAll();
    showBeginning();
    if (next === undefined) return;
    const offChange = next.onChange(apply);
    const offState = next.onState(() => {
      showBeginning();
      void fill();
    });
    offView = () => {
      offChange();
      offState();
    };
    const firstNew = store.state.newAfter === undefined ? null : messages.querySelector('.new-line');
    stick(firstNew === null);
    firstNew?.scrollIntoView({ block: 'center' });
    void fill();
  };

  const setStop = (item: HTMLElement, on: boolean): void => {
    for (const it of [item, ...item.querySelectorAll<HTMLElement>('a, button')]) it.tabIndex = on ? 0 : -1;
  };

  /** One stop for Tab, and what is inside of it; the arrows move between messages. */
  const rove = (): void => {
    const active = document.activeElement?.closest('.message');
    const next = active instanceof HTMLElement && messages.contains(active) ? active : messages.lastElementChild;
    if (!(next instanceof HTMLElement)) return;
    if (stop !== undefined && stop !== next) setStop(stop, false);
    stop = next;
    setStop(next, true);
  };

  messages.addEventListener('keydown', (event) => {
    const item = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>('.message') : null;
    if (item === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowUp: item.previousElementSibling, ArrowDown: item.nextElementSibling }[event.key];
    if (to instanceof HTMLElement) {
      event.preventDefault();
      to.focus();
      to.scrollIntoView({ block: 'nearest' });
      rove();
      return;
    }
    const message = event.target === item ? view?.list.find((it) => String(it.seq) === item.dataset.seq) : undefined;
    if (message === undefined || message.deleted) return;
    const key = event.key.toLowerCase();
    if (key === 'r' && may.write(standing(store.state))) composing.reply(message);
    else if (key === 'e' && chat.mayEdit(message)) composing.edit(message);
    else if (key === 'delete' && chat.mayDelete(message)) void remove(message);
    else return;
    event.preventDefault();
  });
  messages.addEventListener('focusin', rove);

  scroller.addEventListener('scroll', () => {
    const near = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
    if (near !== stuck) {
      stuck = near;
      if (near) missed = 0;
      toEnd.hidden = near;
      setText(toEnd.querySelector('span') ?? toEnd, 'Newest');
      markRead();
    }
    if (scroller.scrollTop < NEAR_START_PX) void loadOlder();
  });
  // Pictures that arrive, a composer that grows and a keyboard that opens must not push the newest out of sight.
  const sized = new ResizeObserver(() => {
    if (stuck) scroller.scrollTop = scroller.scrollHeight;
  });
  sized.observe(content);
  sized.observe(scroller);
  document.addEventListener('visibilitychange', markRead);
  window.addEventListener('focus', markRead);

  const offs = [
    store.watch((it) => it.view, attach),
    store.watch(
      (it) => it.newAfter,
      () => redrawAll(),
    ),
    // What may be done with messages depends on who one is in the room.
    store.watch((it) => JSON.stringify([standing(it), it.me?.user]), redrawAll),
    store.watch(
      (it) => it.pending,
      () => renderPending(),
    ),
    store.watch(
      (it) => it.selected,
      () => renderPending(),
    ),
  ];

  function renderPending(): void {
    const { me, selected } = store.state;
    const here = store.state.pending.filter((it) => it.room === selected);
    const key = (it: (typeof here)[number]): string => `${it.clientId}/${it.phase}`;
    keyed(
      pending,
      here,
      key,
      (it) => pendingItem(it, me ?? { user: '', name: 'You' }, chat),
      () => {},
    );
    if (here.some((it) => it.phase === 'sending')) stick(true);
    else if (stuck) stick(true);
  }

  return {
    element: el('div', { class: 'timeline-place' }, scroller, toEnd, spoken),
    close: () => {
      offView();
      for (const off of offs) off();
      sized.disconnect();
      document.removeEventListener('visibilitychange', markRead);
      window.removeEventListener('focus', markRead);
      images.close();
    },
  };
}
