import type { Chat } from '../chat.ts';
import { el, setText } from '../dom.ts';
import { durationText } from '../time.ts';

/** A moment without a connection is not worth a line. */
const PATIENCE_MS = 900;

/** Says that the connection is away, when it is tried again, and that nothing is lost. */
export function bannerView(chat: Chat): HTMLElement {
  const text = el('span', {});
  const now = el(
    'button',
    { class: 'link-button', testid: 'retry-now', attrs: { type: 'button' }, on: { click: () => chat.retryNow() } },
    'Try now',
  );
  const banner = el('div', { class: 'banner', testid: 'banner', attrs: { role: 'status' } }, text, now);
  banner.hidden = true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let was: string | undefined;

  const show = (): void => {
    const { state, retryInMs } = chat.store.state.connection;
    const wait =
      state === 'offline' && retryInMs !== undefined && retryInMs > 2000
        ? ` Next attempt in ${durationText(retryInMs)}.`
        : '';
    setText(
      text,
      was === undefined ? 'Connecting…' : `Connection lost. What you write is sent when it is back.${wait}`,
    );
    now.hidden = wait === '';
    banner.hidden = state === 'online';
  };

  chat.store.watch(
    (it) => it.connection,
    ({ state }) => {
      document.documentElement.dataset.connection = state;
      if (state === 'online') {
        clearTimeout(timer);
        timer = undefined;
        was = state;
        banner.hidden = true;
      } else if (banner.hidden) {
        timer ??= setTimeout(show, PATIENCE_MS);
      } else {
        show();
      }
    },
  );
  return banner;
}
