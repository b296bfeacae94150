import type { Message } from '../../sdk/client.ts';
import type { Chat } from '../chat.ts';
import { selectedRoom, standing } from '../chat-state.ts';
import { el, icon, iconButton, setText } from '../dom.ts';
import { blobUrlOf, ImageProblem, isImage, prepareImage, type ReadyImage } from '../images.ts';
import { may } from '../permissions.ts';
import { bytesText, preview, utf8Bytes } from '../text.ts';
import { durationText } from '../time.ts';
import { notify } from './toasts.ts';

const COMMANDS = [
  { start: '/stock=', example: '/stock=aapl.us', does: 'the price of a share' },
  { start: '/hello=', example: '/hello=Ada', does: 'a greeting' },
] as const;
/** Until the server has told its own. */
const FALLBACK = { messageBytes: 16_384, imageBytes: 524_288 };
const MAX_IMAGES = 4;

type Mode = { readonly kind: 'reply' | 'edit'; readonly message: Message } | undefined;

/** Writing: text, pictures, answers and edits; each room keeps its own unfinished text. */
export function composerView(chat: Chat) {
  const { store } = chat;
  const drafts = new Map<string, string>();
  let mode: Mode;
  let room: string | undefined;
  let attached: { image: ReadyImage; url: string }[] = [];

  const input = el('textarea', {
    id: 'composer-input',
    testid: 'composer-input',
    attrs: { rows: 1, 'aria-label': 'Message', 'aria-describedby': 'composer-hint', enterkeyhint: 'send' },
  });
  const file = el('input', {
    id: 'image-input',
    testid: 'image-input',
    class: 'sr-only',
    attrs: { type: 'file', accept: 'image/*', multiple: true, tabindex: -1, 'aria-hidden': 'true' },
  });
  const pick = iconButton('image', 'Add a picture', () => file.click(), { testid: 'add-image' });
  const send = el(
    'button',
    {
      class: 'send',
      id: 'send',
      testid: 'send',
      attrs: { type: 'submit', 'aria-label': 'Send', title: 'Send (Enter)' },
    },
    icon('send'),
  );
  const modeText = el('span', { class: 'mode-text' });
  const modeBar = el(
    'div',
    { class: 'mode', testid: 'composer-mode' },
    modeText,
    iconButton('close', 'Cancel', () => setMode(undefined)),
  );
  const previews = el('div', { class: 'previews', testid: 'previews' });
  const commands = el('div', {
    class: 'commands',
    testid: 'commands',
    attrs: { role: 'group', 'aria-label': 'Bot commands' },
  });
  const hint = el('p', { class: 'composer-hint', id: 'composer-hint' });
  const form = el(
    'form',
    { class: 'composer', id: 'composer', testid: 'composer' },
    commands,
    modeBar,
    previews,
    el('div', { class: 'composer-row' }, pick, file, input, send),
    hint,
  );
  const joinText = el('p', {});
  const joinBar = el(
    'div',
    { class: 'join-bar' },
    joinText,
    el(
      'button',
      {
        class: 'button primary',
        testid: 'join-bar',
        attrs: { type: 'button' },
        on: {
          click: () => {
            if (room !== undefined) void chat.join(room).then(() => input.focus());
          },
        },
      },
      'Join the room',
    ),
  );

  const limits = () => store.state.me?.limits ?? FALLBACK;

  const grow = (): void => {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, Math.round(innerHeight * 0.4))}px`;
  };

  const showHint = (): void => {
    const bytes = utf8Bytes(input.value);
    const { messageBytes } = limits();
    const slowMs = selectedRoom(store.state)?.slowModeMs ?? 0;
    const slow = slowMs > 0 && !may.moderate(standing(store.state));
    const text =
      bytes > messageBytes
        ? `Too long by ${bytesText(bytes - messageBytes)}: shorten it or send it in parts`
        : bytes > messageBytes * 0.8
          ? `${bytesText(messageBytes - bytes)} left`
          : slow
            ? `Slow mode: one message in ${durationText(slowMs)}`
            : '';
    setText(hint, text);
    hint.classList.toggle('problem', bytes > messageBytes);
    send.disabled = bytes > messageBytes || (input.value.trim() === '' && attached.length === 0);
    const typed = input.value;
    const offered =
      mode?.kind === 'edit' || !/^\/\w*$/.test(typed) ? [] : COMMANDS.filter((it) => it.start.startsWith(typed));
    commands.replaceChildren(
      ...offered.map((it) =>
        el(
          'button',
          {
            class: 'command',
            attrs: { type: 'button' },
            on: {
              click: () => {
                input.value = it.start;
                input.focus();
                changed();
              },
            },
          },
          el('code', {}, it.example),
          ` ${it.does}`,
        ),
      ),
    );
    commands.hidden = offered.length === 0;
  };

  const changed = (): void => {
    grow();
    showHint();
    if (room !== undefined && mode?.kind !== 'edit') drafts.set(room, input.value);
  };

  const setMode = (next: Mode): void => {
    const wasEdit = mode?.kind === 'edit';
    mode = next;
    modeBar.hidden = next === undefined;
    form.dataset.mode = next?.kind ?? 'write';
    if (next?.kind === 'edit') input.value = next.message.message;
    else if (wasEdit) input.value = (room === undefined ? undefined : drafts.get(room)) ?? '';
    if (next !== undefined) {
      const who = next.message.bot?.name ?? next.message.ownerName;
      const what = next.message.type === 3 ? 'a picture' : preview(next.message.message, 80);
      setText(modeText, next.kind === 'edit' ? 'Editing your message' : `Replying to ${who}: ${what}`);
      input.focus();
      input.setSelectionRange(input.value.length, input.value.length);
    }
    pick.disabled = next?.kind === 'edit';
    changed();
  };

  const showPreviews = (): void => {
    previews.hidden = attached.length === 0;
    previews.replaceChildren(
      ...attached.map((it) =>
        el(
          'figure',
          { class: 'preview' },
          el('img', { attrs: { src: it.url, alt: 'Picture to send' } }),
          el('figcaption', {}, it.image.note ?? bytesText(it.image.bytes)),
          iconButton('close', 'Remove the picture', () => detach(it)),
        ),
      ),
    );
    showHint();
  };

  const detach = (gone: (typeof attached)[number]): void => {
    attached = attached.filter((it) => it !== gone);
    URL.revokeObjectURL(gone.url);
    showPreviews();
    input.focus();
  };

  const attach = async (files: readonly File[]): Promise<void> => {
    for (const it of files) {
      if (!isImage(it)) {
        notify(`“${it.name}” is no picture. Only PNG, JPEG, GIF and WebP can be sent.`);
        continue;
      }
      if (attached.length >= MAX_IMAGES) {
        notify(`At most ${MAX_IMAGES} pictures at a time. Send these first.`);
        break;
      }
      try {
        const image = await prepareImage(it, limits().imageBytes);
        attached = [...attached, { image, url: await blobUrlOf(image.dataUrl) }];
        showPreviews();
      } catch (error) {
        notify(error instanceof ImageProblem ? error.message : 'This picture could not be read. Try another one.');
      }
    }
    input.focus();
  };

  const submit = async (): Promise<void> => {
    const text = input.value;
    if (room === undefined || send.disabled) return;
    if (mode?.kind === 'edit') {
      const { message } = mode;
      if (text === message.message || (await chat.editMessage(message, text))) setMode(undefined);
      return;
    }
    const answered = mode?.message.id;
    chat.stoppedTyping();
    chat.clearNewLine();
    attached.forEach((it, i) => {
      const first = i === 0 && text.trim() === '';
      const reply = first && answered !== undefined ? { inReplyTo: answered } : {};
      if (room !== undefined) chat.send(room, { text: '', image: it.image.dataUrl, ...reply });
      URL.revokeObjectURL(it.url);
    });
    attached = [];
    if (text.trim() !== '') chat.send(room, { text, ...(answered === undefined ? {} : { inReplyTo: answered }) });
    input.value = '';
    setMode(undefined);
    showPreviews();
  };

  const editLast = (): void => {
    const last = store.state.view?.list.findLast((it) => chat.mayEdit(it));
    if (last !== undefined) setMode({ kind: 'edit', message: last });
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void submit();
  });
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      void submit();
    } else if (event.key === 'Escape' && mode !== undefined) {
      event.stopPropagation();
      setMode(undefined);
    } else if (event.key === 'ArrowUp' && input.value === '' && mode === undefined) {
      event.preventDefault();
      editLast();
    }
  });
  input.addEventListener('input', () => {
    changed();
    if (room === undefined || mode?.kind === 'edit') return;
    if (input.value.trim() === '' || input.value.startsWith('/')) chat.stoppedTyping();
    else chat.typed(room);
  });
  input.addEventListener('blur', () => chat.stoppedTyping());
  input.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    void attach(files);
  });
  file.addEventListener('change', () => {
    void attach([...(file.files ?? [])]);
    file.value = '';
  });

  const showStanding = (): void => {
    const now = selectedRoom(store.state);
    const writes = may.write(standing(store.state));
    form.hidden = now === undefined || !writes;
    joinBar.hidden = now === undefined || writes;
    setText(joinText, `You are reading ${now?.name ?? 'this room'} as a guest.`);
    input.placeholder = now === undefined ? '' : `Write to ${now.name}`;
    showHint();
  };
  store.watch(
    (it) => it.selected,
    (selected) => {
      room = selected;
      attached.splice(0).forEach((it) => {
        URL.revokeObjectURL(it.url);
      });
      mode = undefined;
      input.value = (selected === undefined ? undefined : drafts.get(selected)) ?? '';
      setMode(undefined);
      showPreviews();
      showStanding();
      if (selected !== undefined && matchMedia('(hover: hover)').matches) input.focus();
    },
  );
  store.watch(selectedRoom, showStanding);
  store.watch((it) => it.me, showStanding);

  return {
    element: el('div', { class: 'composer-place' }, form, joinBar),
    reply: (message: Message): void => setMode({ kind: 'reply', message }),
    edit: (message: Message): void => setMode({ kind: 'edit', message }),
    attach: (files: readonly File[]): void => {
      if (!form.hidden && mode?.kind !== 'edit') void attach(files);
    },
  };
}
