import type { Chat } from '../chat.ts';
import { type ChatState, type RoomEntry, unread } from '../chat-state.ts';
import { el, icon, iconButton, keyed, setAttributes, setText } from '../dom.ts';
import { avatar, calling } from '../people.ts';
import { createRoomDialog } from './room-dialogs.ts';
import { themeToggle } from './theme.ts';

const SEARCH_MS = 300;

const byName = (a: RoomEntry, b: RoomEntry): number => a.name.localeCompare(b.name) || a.id.localeCompare(b.id);
const byCount = (a: RoomEntry, b: RoomEntry): number => b.count - a.count || byName(a, b);

/** Own rooms, rooms to discover, a search over both, and who one is. */
export function roomsView(chat: Chat, closeDrawer: () => void, signOut: () => void): HTMLElement {
  const { store } = chat;
  const search = el('input', {
    id: 'room-search',
    testid: 'room-search',
    attrs: { type: 'search', placeholder: 'Find a room', 'aria-label': 'Find a room', autocomplete: 'off' },
  });
  const mine = el('ul', { class: 'room-list', testid: 'my-rooms', attrs: { 'aria-labelledby': 'my-rooms-title' } });
  const others = el('ul', {
    class: 'room-list',
    testid: 'other-rooms',
    attrs: { 'aria-labelledby': 'discover-title' },
  });
  const nothing = el('p', { class: 'empty small' });
  const more = el(
    'button',
    { class: 'link-button', attrs: { type: 'button' }, on: { click: () => void chat.loadAllRooms() } },
    'Show all rooms',
  );
  const mineTitle = el('h2', { id: 'my-rooms-title' }, 'Your rooms');
  const othersTitle = el('h2', { id: 'discover-title' }, 'Discover');

  const create = (room: RoomEntry): HTMLElement =>
    el(
      'li',
      { data: { room: room.id }, testid: 'room' },
      el(
        'button',
        {
          class: 'room',
          attrs: { type: 'button', tabindex: -1 },
          on: {
            click: () => {
              void chat.select(room.id);
              closeDrawer();
            },
          },
        },
        el('span', { class: 'room-mark' }),
        el('span', { class: 'room-name' }),
        el('span', { class: 'room-badge' }),
      ),
    );

  const update = (state: ChatState) => (item: HTMLElement, room: RoomEntry) => {
    const count = unread(state, room);
    const isSelected = room.id === state.selected;
    const button = item.querySelector<HTMLElement>('button');
    const mark = item.querySelector<HTMLElement>('.room-mark');
    const badge = item.querySelector<HTMLElement>('.room-badge');
    const name = item.querySelector<HTMLElement>('.room-name');
    if (button === null || mark === null || badge === null || name === null) return;
    setText(name, room.name);
    if (mark.dataset.of !== room.visibility) {
      mark.dataset.of = room.visibility;
      mark.replaceChildren(icon(room.visibility === 'private' ? 'lock' : 'hash'));
    }
    const shown = count > 99 ? '99+' : String(count);
    setText(badge, room.isUser ? (count > 0 && !isSelected ? shown : '') : String(room.count));
    badge.classList.toggle('unread', room.isUser && count > 0 && !isSelected);
    item.dataset.unread = String(count);
    const told = room.isUser && count > 0 ? `, ${count} unread` : room.isUser ? '' : `, ${room.count} members`;
    setAttributes(button, {
      'aria-current': isSelected ? 'page' : undefined,
      'aria-label': `${room.name}${room.visibility === 'private' ? ', private' : ''}${told}`,
      title: room.topic === '' ? undefined : room.topic,
    });
  };

  const buttons = (): HTMLElement[] => [...list.querySelectorAll<HTMLElement>('button.room')];

  /** One stop for Tab; the arrows do the rest. */
  const rove = (): void => {
    const all = buttons();
    const stop =
      all.find((it) => it === document.activeElement) ??
      all.find((it) => it.getAttribute('aria-current') === 'page') ??
      all[0];
    for (const it of all) it.tabIndex = it === stop ? 0 : -1;
  };

  const render = (): void => {
    const { state } = store;
    const wanted = search.value.trim().toLocaleLowerCase();
    const all = [...state.rooms.values()].filter((it) => it.name.toLocaleLowerCase().includes(wanted));
    const own = all.filter((it) => it.isUser).sort(byName);
    const rest = all.filter((it) => !it.isUser).sort(byCount);
    keyed(mine, own, (it) => it.id, create, update(state));
    keyed(others, rest, (it) => it.id, create, update(state));
    mineTitle.hidden = own.length === 0;
    othersTitle.hidden = rest.length === 0;
    more.hidden = !state.moreRooms;
    nothing.hidden = all.length > 0;
    setText(nothing, wanted === '' ? 'No rooms yet. Create the first one.' : 'No room has that in its name.');
    rove();
  };

  const list = el('div', { class: 'room-lists' }, mineTitle, mine, othersTitle, others, nothing, more);
  list.addEventListener('keydown', (event) => {
    const all = buttons();
    const at = document.activeElement instanceof HTMLElement ? all.indexOf(document.activeElement) : -1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))]?.focus();
    rove();
  });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'Enter') {
      event.preventDefault();
      buttons()[0]?.focus();
    } else if (event.key === 'Escape' && search.value !== '') {
      event.stopPropagation();
      search.value = '';
      render();
    }
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  search.addEventListener('input', () => {
    render();
    clearTimeout(timer);
    const q = search.value.trim();
    // What the server would add is a convenience; the list at hand was searched already.
    if (q !== '') timer = setTimeout(() => void chat.findRooms(q).catch(() => {}), SEARCH_MS);
  });

  const self = el('div', { class: 'self', testid: 'self' });
  store.watch((it) => it.rooms, render);
  store.watch((it) => it.reads, render);
  store.watch((it) => it.selected, render);
  store.watch((it) => it.moreRooms, render);
  store.watch(
    (it) => it.me,
    (me) => {
      if (me === undefined) return;
      self.replaceChildren(
        avatar(me.user, me.name),
        el('span', { class: 'self-name' }, me.name),
        iconButton('copy', 'Copy your ID, so that others can add you to private rooms', () => {
          void navigator.clipboard?.writeText(calling(me.user, me.name));
        }),
        themeToggle(),
        iconButton('leave', 'Sign out', signOut, { id: 'sign-out', testid: 'sign-out' }),
      );
    },
  );

  return el(
    'nav',
    { class: 'sidebar', id: 'rooms', attrs: { 'aria-label': 'Rooms' } },
    el(
      'header',
      { class: 'sidebar-header' },
      el('p', { class: 'brand' }, icon('logo'), 'Parley'),
      iconButton('plus', 'Create a room', () => createRoomDialog(chat), { id: 'create-room', testid: 'create-room' }),
    ),
    el('div', { class: 'search' }, icon('search'), search),
    list,
    self,
  );
}
