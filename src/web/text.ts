export type Segment = { readonly text: string; readonly href?: string };

const LINK = /\b(?:https?|ftp):\/\/[^\s<>"'`]+/gi;
const CLOSERS: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/** Cuts a text into links and what lies between them; all segments together are the text. */
export function segments(text: string): Segment[] {
  const found: Segment[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = trimmed(match[0]);
    const href = hrefOf(link);
    if (href === undefined) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: link, href });
    end = match.index + link.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}

/** Without the punctuation that belongs to the sentence, and without a bracket that was opened before the link. */
function trimmed(link: string): string {
  let kept = link;
  for (;;) {
    const last = kept.at(-1) ?? '';
    const opener = CLOSERS[last];
    const closes = opener !== undefined && count(kept, last) > count(kept, opener);
    if (!closes && !/[.,;:!?…]/.test(last)) return kept;
    kept = kept.slice(0, -1);
  }
}

const count = (text: string, char: string): number => text.split(char).length - 1;

function hrefOf(link: string): string | undefined {
  try {
    const url = new URL(link);
    return url.hostname !== '' && /^(?:https?|ftp):$/.test(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** One line for quotes, titles and announcements. */
export function preview(text: string, max = 120): string {
  const line = text.replace(/\s+/g, ' ').trim();
  const chars = [...line];
  return chars.length <= max ? line : `${chars.slice(0, max - 1).join('')}…`;
}

export const utf8Bytes = (text: string): number => new TextEncoder().encode(text).length;

/** `3 kB`, `1.2 MB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
