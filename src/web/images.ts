import { bytesText } from './text.ts';

const TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const MAX_KEPT = 60;

export interface ReadyImage {
  readonly dataUrl: string;
  readonly bytes: number;
  /** What was done to it, for the person to know. */
  readonly note?: string;
}

/** A sentence that says what to do instead. */
export class ImageProblem extends Error {}

export const isImage = (file: File): boolean => file.type.startsWith('image/');

/** Makes a picked, pasted or dropped file fit to be sent: of a known type, and made smaller when it is too large. */
export async function prepareImage(file: File, maxBytes: number): Promise<ReadyImage> {
  if (TYPES.includes(file.type) && file.size <= maxBytes) {
    return { dataUrl: await dataUrlOf(file), bytes: file.size };
  }
  if (file.type === 'image/gif') {
    throw new ImageProblem(`This GIF has ${bytesText(file.size)}; at most ${bytesText(maxBytes)} can be sent.`);
  }
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new ImageProblem('This file cannot be shown as a picture. Send a PNG, JPEG, GIF or WebP.');
  });
  try {
    for (const side of [2048, 1600, 1200, 900, 600]) {
      for (const quality of [0.85, 0.7]) {
        const blob = await drawn(bitmap, side, quality);
        if (blob === null || blob.size > maxBytes) continue;
        const note = `Made smaller: ${bytesText(file.size)} to ${bytesText(blob.size)}`;
        return { dataUrl: await dataUrlOf(blob), bytes: blob.size, note };
      }
    }
  } finally {
    bitmap.close();
  }
  throw new ImageProblem(`This picture cannot be made smaller than ${bytesText(maxBytes)}. Choose another one.`);
}

function drawn(bitmap: ImageBitmap, maxSide: number, quality: number): Promise<Blob | null> {
  const scale = Math.min(1, maxSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  if (context === null) return Promise.resolve(null);
  // JPEG knows no transparency.
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
}

function dataUrlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new ImageProblem('This file could not be read. Try it again.'));
    reader.readAsDataURL(blob);
  });
}

/** A data URL as something an `img` may show under a policy that allows `blob:`. */
export async function blobUrlOf(dataUrl: string): Promise<string> {
  const [head = '', data = ''] = dataUrl.split(',', 2);
  const bytes = Uint8Array.from(atob(data), (it) => it.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: /^data:([^;]+)/.exec(head)?.[1] ?? 'image/png' }));
}

/**
 * The pictures of messages: fetched with the token, which an `img` cannot send, and kept as blob URLs. The oldest are
 * let go of; one that is shown again is fetched again (the browser's own cache has it).
 */
export class ImageCache {
  readonly #fetch: (path: string) => Promise<Blob>;
  readonly #urls = new Map<string, Promise<string>>();

  constructor(fetch: (path: string) => Promise<Blob>) {
    this.#fetch = fetch;
  }

  url(path: string): Promise<string> {
    const known = this.#urls.get(path);
    if (known !== undefined) return known;
    const url = this.#fetch(path).then((it) => URL.createObjectURL(it));
    this.#urls.set(path, url);
    url.catch(() => this.#urls.delete(path));
    for (const [oldest, old] of this.#urls) {
      if (this.#urls.size <= MAX_KEPT) break;
      this.#urls.delete(oldest);
      old.then(URL.revokeObjectURL, () => {});
    }
    return url;
  }

  close(): void {
    for (const url of this.#urls.values()) url.then(URL.revokeObjectURL, () => {});
    this.#urls.clear();
  }
}
