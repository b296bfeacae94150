import type { Chat } from '../chat.ts';
import { mayModerate, selectedRoom, standing } from '../chat-state.ts';
import { el, iconButton, keyed, setAttributes, setText } from '../dom.ts';
import { avatar, called } from '../people.ts';
import { may } from '../permissions.ts';
import type { Member } from '../rest.ts';
import { confirmed, submitting } from './dialog.ts';
import { type MenuItem, openMenu } from './menu.ts';
import { banDialog } from './room-dialogs.ts';

const RANK = { owner: 0, moderator: 1, member: 2 } as const;
const ROLE_NAME = { owner: 'Owner', moderator: 'Moderator', member: '' } as const;

const byRank = (a: Member, b: Member): number =>
  Number(b.online) - Number(a.online) || RANK[a.role] - RANK[b.role] || a.name.localeCompare(b.name);

/** Who is in the room, who of them is there, and what may be done about them. */
export function membersView(chat: Chat, closeDrawer: () => void): HTMLElement {
  const { store } = chat;
  const title = el('h2', { id: 'members-title' }, 'Members');
  const list = el('ul', { class: 'member-list', testid: 'members', attrs: { 'aria-labelledby': 'members-title' } });
  const user = el('input', {
    id: 'add-user',
    testid: 'add-user',
    attrs: { placeholder: 'User ID', 'aria-label': 'ID of the person to add', maxlength: 256, required: true },
  });
  const add = el(
    'form',
    { class: 'add-member', testid: 'add-member' },
    user,
    el('button', { class: 'button small', attrs: { type: 'submit' } }, 'Add'),
  );
  submitting(add, async () => {
    const room = store.state.selected;
    if (room !== undefined && (await chat.addMember(room, called(user.value)))) add.reset();
  });

  const menuOf = (member: Member): MenuItem[] => {
    const room = selectedRoom(store.state);
    if (room === undefined) return [];
    const stands = standing(store.state);
    const isMe = member.user === store.state.me?.user;
    const items: MenuItem[] = [];
    if (may.own(stands) && member.role !== 'owner') {
      const promoted = member.role === 'moderator';
      items.push({
        label: promoted ? 'Make a plain member' : 'Make a moderator',
        run: () => void chat.setRole(room.id, member.user, promoted ? 'member' : 'moderator'),
      });
      items.push({ label: 'Hand the room over…', run: () => void handOver(room.id, member) });
    }
    if (may.remove(stands, { role: member.role, isMe })) {
      items.push({
        label: 'Remove from the room',
        danger: true,
        run: () => void chat.removeMember(room.id, member.user),
      });
      items.push({ label: 'Ban…', danger: true, run: () => banDialog(chat, room, member) });
    }
    return items;
  };

  const handOver = async (room: string, member: Member): Promise<void> => {
    const sure = await confirmed({
      title: `Make ${member.name} the owner?`,
      text: 'You stay as a moderator. Only the new owner can give the room back.',
      action: 'Hand over',
    });
    if (sure) await chat.setRole(room, member.user, 'owner');
  };

  const create = (member: Member): HTMLElement => {
    const more = iconButton('more', `What to do about ${member.name}`, () => {
      const now = store.state.members?.get(member.user) ?? member;
      openMenu(more, `About ${now.name}`, menuOf(now));
    });
    setAttributes(more, { 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
    return el(
      'li',
      { class: 'member', testid: 'member', data: { user: member.user } },
      el(
        'span',
        { class: 'member-avatar' },
        avatar(member.user, member.name, 'small'),
        el('span', { class: 'presence' }),
      ),
      el('span', { class: 'member-name' }),
      el('span', { class: 'member-role' }),
      el('span', { class: 'sr-only member-presence' }),
      more,
    );
  };

  const update = (item: HTMLElement, member: Member): void => {
    const isMe = member.user === store.state.me?.user;
    const set = (selector: string, text: string): void => {
      const part = item.querySelector<HTMLElement>(selector);
      if (part !== null) setText(part, text);
    };
    set('.member-name', isMe ? `${member.name} (you)` : member.name);
    set('.member-role', ROLE_NAME[member.role]);
    set('.member-presence', member.online ? 'online' : 'offline');
    item.dataset.online = String(member.online);
    item.title = `ID: ${member.user}`;
    const more = item.querySelector<HTMLElement>('button');
    if (more !== null) more.hidden = menuOf(member).length === 0;
  };

  const render = (): void => {
    const { members } = store.state;
    const all = [...(members?.values() ?? [])].sort(byRank);
    const online = all.filter((it) => it.online).length;
    setText(title, members === undefined ? 'Members' : `Members · ${online} of ${all.length} online`);
    keyed(list, all, (it) => it.user, create, update);
    add.hidden = !(mayModerate(store.state) && selectedRoom(store.state)?.visibility === 'private');
  };
  store.watch((it) => it.members, render);
  store.watch(selectedRoom, render);

  return el(
    'aside',
    { class: 'members', id: 'members', attrs: { 'aria-label': 'Members' } },
    el(
      'header',
      { class: 'members-header' },
      title,
      iconButton('close', 'Close the list of members', closeDrawer, { class: 'drawer-only' }),
    ),
    add,
    list,
  );
}
