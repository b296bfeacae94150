import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const KEY_BYTES = 32;

/**
 * The key in `file`, made by the first process that asks. It is written whole under a name of its own and then linked
 * to its place, which only one process can do: the others read that one's key, and nobody ever reads half a key.
 */
export async function keyFrom(dir: string): Promise<Uint8Array> {
  const file = join(dir, 'accounts.key');
  await mkdir(dir, { recursive: true });
  const found = await read(file);
  if (found !== undefined) return checked(found, file);
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString('hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file).catch(unless('EEXIST'));
  } finally {
    await unlink(draft).catch(unless('ENOENT'));
  }
  return checked(await readFile(file, 'utf8'), file);
}

function checked(text: string, file: string): Uint8Array {
  const hex = text.trim();
  if (!/^(?:[0-9a-f]{2}){32,}$/.test(hex)) {
    throw new Error(`${file} is damaged: restore it, or remove it and every guest gets a new account`);
  }
  return Buffer.from(hex, 'hex');
}

const read = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(unless('ENOENT'));

function unless(code: string): (cause: unknown) => undefined {
  return (cause) => {
    if (typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === code) return undefined;
    throw cause;
  };
}
