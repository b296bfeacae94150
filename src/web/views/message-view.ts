import type { Message } from '../../sdk/client.ts';
import type { Pending } from '../chat-state.ts';
import { el, icon, iconButton } from '../dom.ts';
import { continues, startsDay } from '../grouping.ts';
import type { ImageCache } from '../images.ts';
import { avatar } from '../people.ts';
import { preview, segments } from '../text.ts';
import { clockTime, dayTitle, fullTime } from '../time.ts';
import { openDialog } from './dialog.ts';

/** What an item of the timeline needs to know and may ask for. */
export interface MessageContext {
  readonly me: string | undefined;
  readonly newAfter: number | undefined;
  readonly images: ImageCache;
  /** The message that is answered, when it is at hand or can be fetched. */
  find(id: string): Promise<Message | undefined>;
  show(message: Message): void;
  mayWrite(): boolean;
  mayEdit(message: Message): boolean;
  mayDelete(message: Message): boolean;
  reply(message: Message): void;
  edit(message: Message): void;
  remove(message: Message): void;
}

/** Text with its links; nothing in it is ever taken for markup. */
export function textBody(text: string): HTMLElement {
  const parts = segments(text).map((it) =>
    it.href === undefined
      ? it.text
      : el('a', { attrs: { href: it.href, target: '_blank', rel: 'noopener noreferrer' } }, it.text),
  );
  return el('div', { class: 'text', attrs: { dir: 'auto' } }, ...parts);
}

function imageBody(message: Message, images: ImageCache): HTMLElement {
  const img = el('img', { attrs: { alt: `Picture from ${message.ownerName}` } });
  const open = el(
    'button',
    { class: 'picture loading', attrs: { type: 'button', 'aria-label': 'Show the picture' } },
    img,
  );
  const load = async (): Promise<void> => {
    try {
      img.src = await images.url(message.message);
      await img.decode();
      open.classList.remove('loading');
    } catch {
      open.replaceChildren(icon('image'), 'The picture could not be loaded. Press to try again.');
      open.classList.replace('loading', 'failed');
    }
  };
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((it) => it.isIntersecting)) return;
    seen.disconnect();
    void load();
  });
  seen.observe(open);
  open.addEventListener('click', () => {
    if (open.classList.contains('failed')) {
      open.classList.replace('failed', 'loading');
      open.replaceChildren(img);
      void load();
      return;
    }
    const large = el('img', { attrs: { src: img.src, alt: img.alt } });
    openDialog({ title: `Picture from ${message.ownerName}`, class: 'lightbox' }, () => [large]);
  });
  return open;
}

function quote(message: Message, context: MessageContext): HTMLElement {
  const place = el('div', { class: 'quote-place' });
  const show = (answered: Message | undefined): void => {
    if (answered === undefined) return;
    const said = answered.deleted ? 'deleted message' : answered.type === 3 ? 'picture' : preview(answered.message);
    place.append(
      el(
        'button',
        {
          class: 'quote',
          testid: 'quote',
          // It comes later than the rest of its message, which is no stop for Tab until it is gone to.
          attrs: { type: 'button', title: 'Go to this message', tabindex: -1 },
          on: { click: () => context.show(answered) },
        },
        el('strong', {}, answered.bot?.name ?? answered.ownerName),
        el('span', { attrs: { dir: 'auto' } }, said),
      ),
    );
  };
  if (message.inReplyTo !== undefined) context.find(message.inReplyTo).then(show, () => {});
  return place;
}

function toolbar(message: Message, context: MessageContext): HTMLElement | false {
  if (message.deleted === true) return false;
  const buttons = [
    context.mayWrite() && iconButton('reply', 'Reply', () => context.reply(message), { testid: 'reply' }),
    context.mayEdit(message) && iconButton('edit', 'Edit', () => context.edit(message), { testid: 'edit' }),
    context.mayDelete(message) &&
      iconButton('trash', 'Delete', () => context.remove(message), { testid: 'delete', class: 'danger' }),
  ].filter((it) => it !== false);
  if (buttons.length === 0) return false;
  return el('div', { class: 'toolbar', attrs: { role: 'group', 'aria-label': 'Message actions' } }, ...buttons);
}

const deletedBody = (): HTMLElement => el('div', { class: 'text deleted-text' }, 'This message was deleted');

/** One message; what it shows of its surroundings (day, new line, name) depends on the one before it. */
export function messageItem(message: Message, before: Message | undefined, context: MessageContext): HTMLElement {
  const own = message.owner === context.me;
  const firstNew =
    context.newAfter !== undefined && message.seq > context.newAfter && (before?.seq ?? 0) <= context.newAfter;
  const grouped = !firstNew && continues(message, before);
  const name = message.bot?.name ?? message.ownerName;
  const body = message.deleted
    ? deletedBody()
    : message.type === 3
      ? imageBody(message, context.images)
      : textBody(message.message);
  const time = el(
    'time',
    { attrs: { datetime: message.createdAt, title: fullTime(message.createdAt) } },
    clockTime(message.createdAt),
  );
  const kind = [grouped && 'grouped', own && 'own', message.deleted && 'deleted', message.bot && 'from-bot'];
  return el(
    'li',
    {
      class: ['message', ...kind.filter((it) => typeof it === 'string')].join(' '),
      testid: 'message',
      data: { seq: String(message.seq), id: message.id },
      attrs: { tabindex: -1 },
    },
    startsDay(message, before) && el('div', { class: 'day' }, el('span', {}, dayTitle(message.createdAt))),
    firstNew && el('div', { class: 'new-line' }, el('span', {}, 'New')),
    el(
      'div',
      { class: 'message-row' },
      el('div', { class: 'gutter' }, grouped ? time : avatar(message.bot === undefined ? message.owner : name, name)),
      el(
        'div',
        { class: 'message-main' },
        el(
          'p',
          { class: grouped ? 'sr-only' : 'byline' },
          el('strong', { class: 'author' }, name),
          message.bot !== undefined && el('span', { class: 'tag' }, 'bot'),
          message.origin !== undefined && el('span', { class: 'tag' }, `via ${message.origin}`),
          grouped ? '' : time,
        ),
        // What a bot answers is a command, which is no message.
        message.inReplyTo !== undefined && message.bot === undefined && quote(message, context),
        body,
        message.rev !== undefined && !message.deleted && el('span', { class: 'edited' }, 'edited'),
      ),
      toolbar(message, context),
    ),
  );
}

export interface PendingContext {
  retry(clientId: string): void;
  discard(clientId: string): void;
}

const PHASES = { sending: 'Sending…', asked: 'Waiting for the bot…', failed: '' } as const;

/** An own message on its way. */
export function pendingItem(
  pending: Pending,
  me: { user: string; name: string },
  context: PendingContext,
): HTMLElement {
  const body =
    pending.image === undefined ? textBody(pending.text) : el('div', { class: 'text' }, icon('image'), ' Picture');
  const failed = pending.phase === 'failed';
  return el(
    'li',
    {
      class: `message own pending ${pending.phase}`,
      testid: 'pending',
      data: { clientId: pending.clientId, phase: pending.phase },
    },
    el(
      'div',
      { class: 'message-row' },
      el('div', { class: 'gutter' }, avatar(me.user, me.name)),
      el(
        'div',
        { class: 'message-main' },
        el('p', { class: 'byline' }, el('strong', { class: 'author' }, me.name)),
        body,
        el(
          'p',
          { class: 'phase', attrs: { role: failed ? 'alert' : undefined } },
          failed ? (pending.problem ?? 'Not sent.') : PHASES[pending.phase],
          failed &&
            el(
              'button',
              {
                class: 'link-button',
                testid: 'retry',
                attrs: { type: 'button' },
                on: { click: () => context.retry(pending.clientId) },
              },
              'Try again',
            ),
          failed &&
            el(
              'button',
              {
                class: 'link-button',
                testid: 'discard',
                attrs: { type: 'button' },
                on: { click: () => context.discard(pending.clientId) },
              },
              'Discard',
            ),
        ),
      ),
    ),
  );
}
