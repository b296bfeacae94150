import type { Chat } from '../chat.ts';
import { selectedRoom } from '../chat-state.ts';
import { el, icon } from '../dom.ts';
import { isImage } from '../images.ts';
import { bannerView } from './banner-view.ts';
import { composerView } from './composer-view.ts';
import { headerView } from './header-view.ts';
import { membersView } from './members-view.ts';
import { createRoomDialog } from './room-dialogs.ts';
import { roomsView } from './rooms-view.ts';
import { timelineView } from './timeline-view.ts';
import { typingView } from './typing-view.ts';

type Drawer = 'rooms' | 'members';

/** The whole page of somebody who is signed in. */
export function chatView(chat: Chat, signOut: () => void): { element: HTMLElement; close: () => void } {
  const narrow = matchMedia('(max-width: 760px)');
  const medium = matchMedia('(max-width: 1080px)');
  const isDrawer = (which: Drawer): boolean => (which === 'rooms' ? narrow.matches : medium.matches);
  let opener: HTMLElement | undefined;

  const closeDrawer = (): void => {
    if (shell.dataset.drawer === undefined) return;
    delete shell.dataset.drawer;
    // What is inert takes no focus.
    guard();
    opener?.focus();
    opener = undefined;
  };
  const toggle = (which: Drawer): void => {
    if (!isDrawer(which)) {
      shell.classList.toggle(`no-${which}`);
      return;
    }
    if (shell.dataset.drawer === which) {
      closeDrawer();
      return;
    }
    opener = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
    shell.dataset.drawer = which;
    guard();
    (which === 'rooms' ? rooms : members).querySelector<HTMLElement>('input, button')?.focus();
  };
  /** What is out of sight is out of reach of Tab, too; under an open drawer lies nothing to be reached. */
  const guard = (): void => {
    const open = shell.dataset.drawer;
    rooms.inert = isDrawer('rooms') && open !== 'rooms';
    members.inert = isDrawer('members') && open !== 'members';
    main.inert = open !== undefined && isDrawer(open === 'rooms' ? 'rooms' : 'members');
  };

  const composer = composerView(chat);
  const timeline = timelineView(chat, composer);
  const rooms = roomsView(chat, closeDrawer, signOut);
  const members = membersView(chat, closeDrawer);
  const welcome = el(
    'div',
    { class: 'welcome', testid: 'welcome' },
    el('span', { class: 'welcome-mark' }, icon('logo')),
    el('h2', {}, 'Pick a room, or open one'),
    el('p', {}, 'Everything said in a room stays in order, and waits for you while you are away.'),
    el(
      'div',
      { class: 'welcome-actions' },
      el(
        'button',
        { class: 'button drawer-only', attrs: { type: 'button' }, on: { click: () => toggle('rooms') } },
        'Show the rooms',
      ),
      el(
        'button',
        { class: 'button primary', attrs: { type: 'button' }, on: { click: () => createRoomDialog(chat) } },
        'Create a room',
      ),
    ),
  );
  const room = el('div', { class: 'room-place' }, timeline.element, typingView(chat), composer.element);
  const main = el('main', { class: 'conversation' }, headerView(chat, { toggle }), bannerView(chat), welcome, room);
  const shell = el(
    'div',
    { class: 'shell' },
    rooms,
    main,
    members,
    el('div', { class: 'scrim', on: { click: closeDrawer } }),
  );
  const skip = el('a', { class: 'skip', attrs: { href: '#composer-input' } }, 'Skip to the message field');
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    document.getElementById('composer-input')?.focus();
  });

  main.addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    main.classList.add('dropping');
  });
  main.addEventListener('dragleave', (event) => {
    if (!(event.relatedTarget instanceof Node && main.contains(event.relatedTarget))) main.classList.remove('dropping');
  });
  main.addEventListener('drop', (event) => {
    event.preventDefault();
    main.classList.remove('dropping');
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.some(isImage)) composer.attach(files);
  });

  const keys = (event: KeyboardEvent): void => {
    if (document.querySelector('dialog[open], .menu') !== null) return;
    if (event.key === 'Escape') {
      closeDrawer();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      if (isDrawer('rooms') && shell.dataset.drawer !== 'rooms') toggle('rooms');
      document.getElementById('room-search')?.focus();
    }
  };
  document.addEventListener('keydown', keys);
  narrow.addEventListener('change', guard);
  medium.addEventListener('change', guard);
  const offSelected = chat.store.watch((it) => it.selected, closeDrawer);
  const off = chat.store.watch(
    (it) => selectedRoom(it) !== undefined || it.view !== undefined,
    (open) => {
      welcome.hidden = open;
      room.hidden = !open;
      shell.classList.toggle('nothing-open', !open);
    },
  );
  guard();

  return {
    element: el('div', { class: 'page' }, skip, shell),
    close: () => {
      document.removeEventListener('keydown', keys);
      narrow.removeEventListener('change', guard);
      medium.removeEventListener('change', guard);
      off();
      offSelected();
      timeline.close();
    },
  };
}
