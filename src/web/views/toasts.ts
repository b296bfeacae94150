import { el, icon, iconButton } from '../dom.ts';

const SHOWN_MS = 8000;

/** Says what went wrong and what to do; stays while it is pointed at or focused. */
export function notify(text: string, kind: 'error' | 'info' = 'error'): void {
  const place = document.getElementById('toasts');
  if (place === null) return;
  // What lies outside of an open modal dialog can be neither seen well nor pressed.
  const host = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
  if (place.parentElement !== host) host.append(place);
  for (const same of place.children) if (same.querySelector('.toast-text')?.textContent === text) same.remove();
  const toast = el(
    'div',
    { class: `toast ${kind}`, testid: 'toast', attrs: { role: kind === 'error' ? 'alert' : 'status' } },
    kind === 'error' && icon('alert'),
    el('p', { class: 'toast-text' }, text),
    iconButton('close', 'Dismiss', () => toast.remove()),
  );
  place.append(toast);
  while (place.children.length > 4) place.firstElementChild?.remove();
  const leave = (): void => {
    if (toast.matches(':hover, :focus-within')) setTimeout(leave, SHOWN_MS / 2);
    else toast.remove();
  };
  setTimeout(leave, SHOWN_MS);
}
