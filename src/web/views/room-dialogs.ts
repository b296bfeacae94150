import type { Chat } from '../chat.ts';
import { type RoomEntry, standing } from '../chat-state.ts';
import { el } from '../dom.ts';
import { may } from '../permissions.ts';
import type { Member, RoomPatch } from '../rest.ts';
import { confirmed, field, openDialog, submitting } from './dialog.ts';

const SLOW_MODES: readonly (readonly [number, string])[] = [
  [0, 'Off'],
  [5000, 'One message in 5 seconds'],
  [10_000, 'One message in 10 seconds'],
  [30_000, 'One message in 30 seconds'],
  [60_000, 'One message a minute'],
  [300_000, 'One message in 5 minutes'],
  [3_600_000, 'One message an hour'],
];

const BAN_TIMES: readonly (readonly [number, string])[] = [
  [0, 'For good'],
  [3_600_000, 'For an hour'],
  [86_400_000, 'For a day'],
  [604_800_000, 'For a week'],
];

const choice = (id: string, options: readonly (readonly [number | string, string])[], chosen: number | string) =>
  el(
    'select',
    { id, testid: id },
    ...options.map(([value, label]) =>
      el('option', { attrs: { value: String(value), selected: value === chosen } }, label),
    ),
  );

const VISIBILITIES = [
  ['public', 'Public: anybody may read and join'],
  ['private', 'Private: only those who were added'],
] as const;

const visibilityOf = (select: HTMLSelectElement): 'public' | 'private' =>
  select.value === 'private' ? 'private' : 'public';

const actions = (close: () => void, label: string): HTMLElement =>
  el(
    'footer',
    { class: 'dialog-actions' },
    el('button', { class: 'button quiet', attrs: { type: 'button' }, on: { click: close } }, 'Cancel'),
    el('button', { class: 'button primary', testid: 'submit', attrs: { type: 'submit' } }, label),
  );

export function createRoomDialog(chat: Chat): void {
  openDialog({ title: 'Create a room' }, (close) => {
    const name = el('input', {
      id: 'room-name',
      testid: 'room-name',
      attrs: { maxlength: 80, required: true, autofocus: true },
    });
    const topic = el('input', { id: 'room-topic', testid: 'room-topic', attrs: { maxlength: 500 } });
    const visibility = choice('room-visibility', VISIBILITIES, 'public');
    const form = el(
      'form',
      { id: 'create-room-form', testid: 'create-room-form' },
      field('Name', name),
      field('Topic', topic, 'Optional: what the room is about'),
      field('Who may come in?', visibility),
      actions(close, 'Create room'),
    );
    submitting(form, async () => {
      const room = { name: name.value, topic: topic.value, visibility: visibilityOf(visibility) };
      if (!(await chat.createRoom(room))) return;
      close();
      // The focus is back at the button that opened this; the next thing to do is to write.
      if (matchMedia('(hover: hover)').matches) document.getElementById('composer-input')?.focus();
    });
    return [form];
  });
}

/** What the moderators and the owner of a room may change about it. */
export function roomSettingsDialog(chat: Chat, room: RoomEntry): void {
  const stands = standing(chat.store.state);
  const owns = may.own(stands);
  openDialog({ title: 'Room settings', testid: 'room-settings' }, (close) => {
    const name = el('input', {
      id: 'edit-name',
      attrs: { maxlength: 80, required: true, disabled: !owns, value: room.name },
    });
    const topic = el('textarea', { id: 'edit-topic', attrs: { maxlength: 500, rows: 2 } }, room.topic);
    const visibility = choice('edit-visibility', VISIBILITIES, room.visibility);
    visibility.disabled = !owns;
    const slowMs = room.slowModeMs;
    const listed = SLOW_MODES.some(([ms]) => ms === slowMs);
    const slow = choice('edit-slow', listed ? SLOW_MODES : [...SLOW_MODES, [slowMs, `${slowMs} ms`]], slowMs);
    const form = el(
      'form',
      { id: 'room-settings-form' },
      field('Name', name, owns ? undefined : 'Only the owner may change the name'),
      field('Topic', topic),
      field('Who may come in?', visibility),
      field('Slow mode', slow, 'How often one member may write. Moderators are free of it.'),
      actions(close, 'Save'),
    );
    submitting(form, async () => {
      const patch: RoomPatch = {
        ...(name.value === room.name ? {} : { name: name.value }),
        ...(topic.value === room.topic ? {} : { topic: topic.value }),
        ...(visibilityOf(visibility) === room.visibility ? {} : { visibility: visibilityOf(visibility) }),
        ...(Number(slow.value) === slowMs ? {} : { slowModeMs: Number(slow.value) }),
      };
      if (Object.keys(patch).length === 0 || (await chat.patchRoom(room, patch))) close();
    });
    return [form, bansOf(chat, room), owns && dangerZone(chat, room, close)];
  });
}

function bansOf(chat: Chat, room: RoomEntry): HTMLElement | false {
  const banned = [...chat.store.state.bans].filter(([key]) => key.startsWith(`${room.id}/`));
  if (banned.length === 0) return false;
  return el(
    'section',
    { class: 'dialog-section' },
    el('h3', {}, 'Banned from this browser'),
    el(
      'ul',
      { class: 'plain-list' },
      ...banned.map(([key, name]) => {
        const user = key.slice(room.id.length + 1);
        const item = el('li', { class: 'row' }, el('span', {}, name));
        const lift = async (): Promise<void> => {
          if (await chat.unban(room.id, user)) item.remove();
        };
        item.append(
          el(
            'button',
            { class: 'button quiet small', attrs: { type: 'button' }, on: { click: () => void lift() } },
            'Lift the ban',
          ),
        );
        return item;
      }),
    ),
  );
}

function dangerZone(chat: Chat, room: RoomEntry, close: () => void): HTMLElement {
  const remove = async (): Promise<void> => {
    const sure = await confirmed({
      title: `Delete “${room.name}”?`,
      text: 'All of its messages go with it, for everybody. This cannot be undone.',
      action: 'Delete the room',
    });
    if (sure && (await chat.deleteRoom(room.id))) close();
  };
  return el(
    'section',
    { class: 'dialog-section' },
    el(
      'button',
      { class: 'button danger', testid: 'delete-room', attrs: { type: 'button' }, on: { click: () => void remove() } },
      'Delete this room…',
    ),
  );
}

export function banDialog(chat: Chat, room: RoomEntry, member: Member): void {
  openDialog({ title: `Ban ${member.name}`, testid: 'ban' }, (close) => {
    const time = choice('ban-time', BAN_TIMES, 0);
    const reason = el('input', { id: 'ban-reason', attrs: { maxlength: 500, autofocus: true } });
    const form = el('form', {}, field('How long?', time), field('Reason', reason, 'Optional'), actions(close, 'Ban'));
    submitting(form, async () => {
      const ms = Number(time.value);
      const ban = {
        ...(ms === 0 ? {} : { until: new Date(Date.now() + ms).toISOString() }),
        ...(reason.value.trim() === '' ? {} : { reason: reason.value.trim() }),
      };
      if (await chat.ban(room.id, member, ban)) close();
    });
    return [form];
  });
}
