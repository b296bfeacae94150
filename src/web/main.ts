import { connect } from '../sdk/client.ts';
import { createChat } from './chat.ts';
import { recallSession, remember } from './storage.ts';
import { chatView } from './views/chat-view.ts';
import { signInView } from './views/sign-in-view.ts';
import { applyTheme } from './views/theme.ts';
import { notify } from './views/toasts.ts';

const roomInAddress = (): string | undefined => {
  const match = /^#\/room\/(.+)$/.exec(location.hash);
  return match?.[1] === undefined ? undefined : decodeURIComponent(match[1]);
};

function showSignIn(place: HTMLElement, notice?: string): void {
  document.title = 'Parley';
  const view = signInView((token) => {
    remember('session', { token });
    showChat(place, token);
  }, notice);
  place.replaceChildren(view);
  view.querySelector<HTMLElement>('[autofocus]')?.focus();
}

function showChat(place: HTMLElement, token: string): void {
  const client = connect('', { token });
  const chat = createChat(client, () => token, notify);
  const leave = (notice?: string): void => {
    view.close();
    chat.close();
    window.removeEventListener('hashchange', follow);
    window.removeEventListener('online', client.retryNow);
    window.removeEventListener('beforeunload', warn);
    remember('session', undefined);
    showSignIn(place, notice);
  };
  const view = chatView(chat, () => {
    history.replaceState(undefined, '', location.pathname);
    leave();
  });
  const follow = (): void => {
    const room = roomInAddress();
    if (room === undefined) chat.deselect();
    else void chat.select(room);
  };
  const warn = (event: BeforeUnloadEvent): void => {
    if (chat.store.state.pending.some((it) => it.phase === 'sending')) event.preventDefault();
  };
  // First the room that the address names, or the address would follow from no room being open.
  follow();
  chat.store.watch(
    (it) => it.selected,
    (selected) => {
      const wanted = selected === undefined ? '' : `#/room/${encodeURIComponent(selected)}`;
      if (selected !== roomInAddress()) history.pushState(undefined, '', location.pathname + location.search + wanted);
    },
  );
  chat.store.watch(
    (it) => it.connection,
    ({ state, error }) => {
      if (state !== 'expired') return;
      leave(
        error?.code === 'role_required'
          ? 'This account may not chat. Sign in with another one.'
          : 'Your session has ended. Sign in again.',
      );
    },
  );
  window.addEventListener('hashchange', follow);
  window.addEventListener('online', client.retryNow);
  window.addEventListener('beforeunload', warn);
  place.replaceChildren(view.element);
}

applyTheme();
const place = document.getElementById('app');
if (place !== null) {
  const session = recallSession();
  if (session === undefined) showSignIn(place);
  else showChat(place, session.token);
}
