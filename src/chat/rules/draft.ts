import { createHash } from 'node:crypto';
import type { ChatSettings } from '../chat.ts';
import { ChatError, invalidFields } from '../errors.ts';
import type { Image, MessageType } from '../model.ts';
import { textType } from './text-type.ts';

/** What an edge hands to `postMessage`; shapes were checked there, meaning is checked here. */
export interface Draft {
  readonly message?: string | undefined;
  /** Base64 or a `data:` URL. */
  readonly image?: string | undefined;
  readonly clientId?: string | undefined;
  readonly inReplyTo?: string | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

export function assertTextSize(text: string, settings: Pick<ChatSettings, 'messageBytes'>): void {
  if (Buffer.byteLength(text) > settings.messageBytes) {
    throw new ChatError('too_large', `a text has at most ${settings.messageBytes} bytes`);
  }
}

const SIGNATURES: readonly { type: Image['contentType']; test: (bytes: Buffer) => boolean }[] = [
  { type: 'image/png', test: (it) => it.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex')) },
  { type: 'image/jpeg', test: (it) => it.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex')) },
  { type: 'image/gif', test: (it) => /^GIF8[79]a$/.test(it.subarray(0, 6).toString('latin1')) },
  {
    type: 'image/webp',
    test: (it) => it.subarray(0, 4).toString('latin1') === 'RIFF' && it.subarray(8, 12).toString('latin1') === 'WEBP',
  },
];

/** @throws too_large (609), invalid_fields (704). */
export function decodeImage(text: string, settings: Pick<ChatSettings, 'imageBytes'>): Image {
  const base64 = text.startsWith('data:') ? text.slice(text.indexOf(',') + 1) : text;
  if (text.startsWith('data:') && !/^data:image\/[\w.+-]{1,32};base64,/.test(text.slice(0, 64))) {
    throw invalidFields('a data: URL of an image starts with data:image/…;base64,', 'image');
  }
  // Four characters are three bytes: refuse by length before anything is decoded.
  if (base64.length > Math.ceil(settings.imageBytes / 3) * 4 + 4) {
    throw new ChatError('too_large', `an image has at most ${settings.imageBytes} bytes`);
  }
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw invalidFields('an image is base64 or a data: URL', 'image');
  }
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length > settings.imageBytes) {
    throw new ChatError('too_large', `an image has at most ${settings.imageBytes} bytes`);
  }
  const found = SIGNATURES.find((it) => it.test(bytes));
  if (!found) throw invalidFields('an image is PNG, JPEG, GIF or WebP', 'image');
  return { contentType: found.type, bytes };
}

export interface ParsedDraft {
  readonly type: MessageType;
  readonly text: string;
  readonly image?: Image;
  /** Set when the text is a bot command. */
  readonly command?: { readonly word: string; readonly args: string };
}

/** `/word=args` and `/word args` are commands; `//text` sends `/text`. */
export function parseDraft(draft: Draft, settings: ChatSettings): ParsedDraft {
  if (draft.image !== undefined) return { type: 3, text: '', image: decodeImage(draft.image, settings) };
  const text = draft.message ?? '';
  assertTextSize(text, settings);
  if (text.startsWith('//')) return { type: 1, text: text.slice(1) };
  const command = /^\/([\p{L}\p{N}_-]{1,64})(?:$|[=\s])/u.exec(text);
  if (!command) return { type: textType(text), text };
  const word = (command[1] ?? '').toLowerCase();
  return { type: 1, text, command: { word, args: text.slice(command[0].length).trim() } };
}

/** Keys in one order at every depth: equal facts give equal text, and an object none that an array gives. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, canonical(inner)]);
  return { entries };
}

/** Tells a replay from a conflict: SHA-256 over message, image, inReplyTo and meta as sent, 128 bits of it. */
export function fingerprintOf(draft: Draft, image: Image | undefined): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([draft.message ?? null, draft.inReplyTo ?? null, canonical(draft.meta ?? null)]));
  if (image) hash.update(image.bytes);
  return hash.digest('base64url').slice(0, 22);
}
