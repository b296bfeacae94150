import type { Chat } from '../chat.ts';
import { selectedRoom, standing, totalUnread } from '../chat-state.ts';
import { el, icon, iconButton, setText } from '../dom.ts';
import { may } from '../permissions.ts';
import { confirmed } from './dialog.ts';
import { roomSettingsDialog } from './room-dialogs.ts';

export interface Drawers {
  toggle(which: 'rooms' | 'members'): void;
}

/** Name and topic of the room, and what one may do with it. */
export function headerView(chat: Chat, drawers: Drawers): HTMLElement {
  const { store } = chat;
  const name = el('h1', { class: 'room-title', testid: 'room-title' });
  const topic = el('p', { class: 'room-subtitle', testid: 'room-subtitle' });
  const mark = el('span', { class: 'header-mark' });
  const menuDot = el('span', { class: 'menu-dot' });
  const menu = iconButton('menu', 'Show the rooms', () => drawers.toggle('rooms'), {
    class: 'drawer-only',
    testid: 'open-rooms',
  });
  menu.append(menuDot);
  const count = el('span', { class: 'member-count' });
  const people = iconButton('people', 'Show the members', () => drawers.toggle('members'), { testid: 'open-members' });
  people.append(count);
  const settings = iconButton(
    'settings',
    'Room settings',
    () => {
      const room = selectedRoom(store.state);
      if (room !== undefined) roomSettingsDialog(chat, room);
    },
    { testid: 'open-settings' },
  );
  const leave = iconButton('leave', 'Leave the room', () => void askLeave(), { testid: 'leave-room' });

  const askLeave = async (): Promise<void> => {
    const room = selectedRoom(store.state);
    if (room === undefined) return;
    const { role } = standing(store.state);
    const back =
      room.visibility === 'private'
        ? 'You can only come back when somebody adds you again.'
        : 'You can join again at any time.';
    const heir = role === 'owner' && room.count > 1 ? ' The member who has been here longest will own the room.' : '';
    if (await confirmed({ title: `Leave “${room.name}”?`, text: back + heir, action: 'Leave' }))
      await chat.leave(room.id);
  };

  const render = (): void => {
    const room = selectedRoom(store.state);
    const stands = standing(store.state);
    setText(name, room?.name ?? 'Parley');
    setText(topic, room?.topic ?? '');
    topic.title = room?.topic ?? '';
    mark.replaceChildren(...(room === undefined ? [] : [icon(room.visibility === 'private' ? 'lock' : 'hash')]));
    setText(count, String(room?.count ?? ''));
    people.hidden = room === undefined;
    settings.hidden = room === undefined || !may.moderate(stands);
    leave.hidden = room === undefined || !room.isUser;
  };
  store.watch(selectedRoom, render);
  store.watch((it) => it.me, render);

  const title = (): void => {
    const others = totalUnread(store.state);
    const room = selectedRoom(store.state);
    document.title = `${others > 0 ? `(${others}) ` : ''}${room === undefined ? '' : `${room.name} · `}Parley`;
    menuDot.hidden = others === 0;
  };
  store.watch((it) => it.rooms, title);
  store.watch((it) => it.reads, title);
  store.watch((it) => it.selected, title);

  return el(
    'header',
    { class: 'room-header' },
    menu,
    mark,
    el('div', { class: 'room-titles' }, name, topic),
    settings,
    leave,
    people,
  );
}
