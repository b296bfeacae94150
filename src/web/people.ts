import { el } from './dom.ts';

/** How many avatar colours the stylesheet has. */
const HUES = 12;

/** The same person has the same colour everywhere, without anybody choosing it (FNV-1a). */
export function hueOf(user: string): number {
  let hash = 0x811c9dc5;
  for (const char of user) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) % HUES;
}

/** One or two letters: of the first and the last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((it) => [...(it ?? '')][0] ?? '');
  return letters.join('').toLocaleUpperCase() || '?';
}

export function avatar(user: string, name: string, size: 'small' | 'normal' = 'normal'): HTMLElement {
  return el('span', { class: `avatar ${size} hue-${hueOf(user)}`, attrs: { 'aria-hidden': 'true' } }, initials(name));
}

/** What one gives to others to be added to a private room by. */
export const calling = (user: string, name: string): string => `${name.replace(/[<>]/g, '')} <${user}>`;

/** Reads {@link calling} back; a bare ID has no name. */
export function called(text: string): { user: string; name?: string } {
  const [, name = '', user] = /^(.*)<([^<>]+)>$/s.exec(text.trim()) ?? [];
  if (user === undefined) return { user: text.trim() };
  return name.trim() === '' ? { user: user.trim() } : { user: user.trim(), name: name.trim() };
}
