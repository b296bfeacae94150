import type { Chat } from '../chat.ts';
import type { ChatState } from '../chat-state.ts';
import { el, setText } from '../dom.ts';

function sentence(names: readonly string[]): string {
  const [one, two] = names;
  if (one === undefined) return '';
  if (two === undefined) return `${one} is typing`;
  if (names.length === 2) return `${one} and ${two} are typing`;
  return `${one}, ${two} and ${names.length - 2} more are typing`;
}

const typists = (state: ChatState): string => sentence([...(state.typing.get(state.selected ?? '')?.values() ?? [])]);

export function typingView(chat: Chat): HTMLElement {
  const text = el('span', {});
  const dots = el('span', { class: 'dots', attrs: { 'aria-hidden': 'true' } }, el('i'), el('i'), el('i'));
  const line = el('div', { class: 'typing', testid: 'typing' }, dots, text);
  chat.store.watch(typists, (now) => {
    setText(text, now);
    line.classList.toggle('active', now !== '');
  });
  return line;
}
