import type { Store } from '../chat/ports/store.ts';
import { overlay } from '../platform/overlay.ts';

/** The store's questions; everything else of it writes. */
const STORE_READS = [
  'viewRoom',
  'standing',
  'listRooms',
  'roomIdsOf',
  'roomIds',
  'heads',
  'members',
  'findReceipt',
  'messages',
  'message',
  'image',
  'changedSince',
  'messagesOf',
  'readMark',
  'command',
  'openCommands',
  'revocations',
] as const satisfies readonly (keyof Store)[];

export type StoreRead = (typeof STORE_READS)[number];

/** The store, telling `count` of each read that is made of it. */
export function countReads(store: Store, count: (read: StoreRead) => void): Store {
  const counted = STORE_READS.map((name) => {
    const read = (...args: unknown[]): unknown => {
      count(name);
      return Reflect.apply(store[name], store, args);
    };
    return [name, read] as const;
  });
  return overlay<Store>(store, Object.fromEntries(counted) as Partial<Store>);
}
