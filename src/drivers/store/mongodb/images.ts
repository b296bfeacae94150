import { trusted } from 'mongoose';
import type { Image } from '../../../chat/model.ts';
import type { ImagePartDocument, RoomKey } from './documents.ts';
import type { Database } from './mongo-connection.ts';

/** Most images are one part. A document has 16 MiB at most, and long ones hold up what shares a connection with them. */
const PART_BYTES = 4 * 1024 * 1024;

/** To be stored before the message that they belong to: whoever sees a message sees its image. */
export async function putImage({ models, op }: Database, room: RoomKey, message: string, image: Image): Promise<void> {
  const { contentType, bytes } = image;
  for (let part = 0; part === 0 || part * PART_BYTES < bytes.length; part++) {
    const some = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
    const stored = { contentType, bytes: Buffer.from(some.buffer, some.byteOffset, some.byteLength) };
    // A repeated message under the same id brings the same image.
    await op(models.imageParts.updateOne({ room, message, part }, { $set: stored }, { upsert: true }).exec());
  }
}

export async function readImage({ models, op }: Database, room: RoomKey, message: string): Promise<Image | undefined> {
  const query = models.imageParts.find({ room, message }).sort({ part: 1 });
  const parts = await op(query.lean<StoredPart[]>().exec());
  const [first] = parts;
  if (first === undefined) return undefined;
  return { contentType: first.contentType, bytes: Uint8Array.from(Buffer.concat(parts.map((it) => bytesOf(it)))) };
}

export async function dropImages({ models, op }: Database, room: RoomKey, messages: readonly string[]): Promise<void> {
  await op(models.imageParts.deleteMany({ room, message: trusted({ $in: messages }) }).exec());
}

/** Bytes come as the engine's own kind of buffer where nothing casts them. */
type StoredPart = Omit<ImagePartDocument, 'bytes'> & { readonly bytes: Buffer | { readonly buffer: Uint8Array } };
const bytesOf = ({ bytes }: StoredPart): Uint8Array => (bytes instanceof Uint8Array ? bytes : bytes.buffer);
