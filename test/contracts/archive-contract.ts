import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Archive } from '../../src/chat/ports/archive.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { SqliteArchive } from '../../src/drivers/store/sqlite/sqlite-archive.ts';
import { SqliteStore } from '../../src/drivers/store/sqlite/sqlite-store.ts';
import { SqliteWriter } from '../../src/drivers/store/sqlite/sqlite-writer.ts';
import { exported, fillForArchive, imported } from '../support/archive-source.ts';

type Closing<T> = T & { close(): Promise<void> };

export interface ArchivePlace {
  /** To import into, and to export from. */
  archive(): Promise<Closing<Archive>>;
  store(): Promise<Closing<Store>>;
  close(): Promise<void>;
}

export async function sqlitePlace(): Promise<ArchivePlace> {
  const dir = mkdtempSync(join(tmpdir(), 'parley-archive-'));
  return {
    archive: async () => SqliteArchive.openForImport(dir),
    async store() {
      const writer = await SqliteWriter.open(dir);
      const store = await SqliteStore.open(dir, writer.submit);
      const close = store.close.bind(store);
      return Object.assign(store, {
        close: async () => {
          await close();
          await writer.close();
        },
      });
    },
    close: async () => rmSync(dir, { recursive: true }),
  };
}

async function within<T, R>(opening: Promise<Closing<T>>, work: (it: T) => Promise<R>): Promise<R> {
  const opened = await opening;
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

const everything = { from: 1, to: 1000, order: 'asc', limit: 1000 } as const;

/** What every driver of the Archive port promises, and what is carried from store to store. */
export function archiveContract(driver: string, openPlace: () => Promise<ArchivePlace>): void {
  describe(`Archive: ${driver}`, () => {
    let source: ArchivePlace;
    let place: ArchivePlace;
    let rooms: { open: string; closed: string };
    let lines: string[];
    beforeEach(async () => {
      source = await sqlitePlace();
      place = await openPlace();
      rooms = await within(source.store(), fillForArchive);
      lines = await within(source.archive(), (it) => exported(it));
    }, 60_000);
    afterEach(async () => {
      await source.close();
      await place.close();
    }, 60_000);

    it('carries every room from SQLite here and back, element by element', async () => {
      expect(lines).toHaveLength(2 + 4 + 2 + 180);
      expect(await within(place.archive(), (it) => imported(it, lines))).toEqual({ rooms: 2, messages: 180 });
      const here = await within(place.archive(), (it) => exported(it));
      expect(here.map((it) => JSON.parse(it))).toEqual(lines.map((it) => JSON.parse(it)));
      const back = await sqlitePlace();
      try {
        await within(back.archive(), (it) => imported(it, here));
        expect((await within(back.archive(), (it) => exported(it))).map((it) => JSON.parse(it))).toEqual(
          lines.map((it) => JSON.parse(it)),
        );
      } finally {
        await back.close();
      }
    }, 60_000);

    it('makes a room that is as it was, under a new epoch, and goes on', async () => {
      await within(place.archive(), (it) => imported(it, lines, 'another epoch'));
      const { open } = rooms;
      const read = async (store: Store) => ({
        views: await Promise.all(['ada', 'bob', 'eve', 'zoe', 'kim'].map((user) => store.viewRoom(open, user))),
        members: await store.members(open),
        messages: await store.messages(open, everything),
        changed: await store.changedSince(open, 0, 100),
        image: await store.image(open, `${open}-100`),
        mark: await store.readMark(open, 'bob'),
      });
      const [before, after] = [await within(source.store(), read), await within(place.store(), read)];
      const withEpoch = before.views.map((it) => it && { ...it, room: { ...it.room, epoch: 'another epoch' } });
      expect(after).toEqual({ ...before, views: withEpoch });
      await within(place.store(), async (store) => {
        const again = { id: 'x', chatroom: open, owner: 'bob', ownerName: 'B', type: 1, message: 'm' } as const;
        const sent = { createdAt: '2026-01-02T03:04:05.678Z', fingerprint: 'f120' };
        const replay = await store.append({ ...again, ...sent, clientId: 'c 120' });
        expect(replay).toMatchObject({ id: `${open}-120`, seq: 120, replayed: true });
        expect(await store.append({ ...again, ...sent, clientId: 'fresh' })).toMatchObject({ seq: 231 });
        expect(await store.deleteMessage(open, `${open}-200`)).toMatchObject({ rev: 3 });
        const late = { user: 'late', name: 'Late', at: sent.createdAt, role: 'member' } as const;
        expect(await store.addMember(open, late, 100)).toMatchObject({ added: true, count: 4, headSeq: 231 });
        expect((await store.members(open)).map(({ user }) => user)).toEqual(['ada', 'zoe', 'bob', 'late']);
        expect(await store.removeMember(open, 'ada')).toMatchObject({ newOwner: 'zoe' });
      });
    }, 60_000);

    it('refuses a room that exists and leaves it alone, and one whose public name is taken', async () => {
      await within(place.archive(), async (archive) => {
        await imported(archive, lines, 'first');
        await expect(imported(archive, lines, 'second')).rejects.toThrow(/^line 1: a room \S+ exists already$/);
        const renamed = lines.map((it) => it.replaceAll(rooms.open, 'other-id'));
        const [open] = renamed.flatMap((it, n) => (it.includes('"id":"other-id"') ? [n] : []));
        await expect(imported(archive, renamed.slice(open))).rejects.toThrow('has the name of room other-id');
      });
      const epochs = await within(place.store(), (store) => store.heads([rooms.open, rooms.closed, 'other-id']));
      expect([...epochs.values()].map(({ epoch }) => epoch)).toEqual(['first', 'first']);
    }, 60_000);

    it('takes a room as a whole or not at all, and can be repeated', async () => {
      await within(place.archive(), async (archive) => {
        const only = await exportedRoom(rooms.open);
        for (const [what, broken] of Object.entries({
          'cut off': only.slice(0, -1),
          'no members': only.filter((it) => !it.includes('"kind":"member"')),
          'a hole': only.toSpliced(50, 1),
          twice: only.toSpliced(50, 0, only[50] ?? ''),
          'bad JSON': [...only.slice(0, 100), '{"kind":'],
          'an unknown field': [...only.slice(0, 100), '{"kind":"message","more":1}'],
          'an owner who is no member': only.map((it) =>
            it.replace('"owner":"ada","slowModeMs"', '"owner":"joe","slowModeMs"'),
          ),
          'a picture without its bytes': only.map((it) => it.replace(/,"image":\{[^}]*\}/, '')),
          'a text beyond all limits': only.map((it) => it.replace('"text 60 ', `"${'x'.repeat(2 ** 20)} `)),
          'a message of another': only.toSpliced(-1, 1, (only.at(-1) ?? '').replace(/"seq":\d+/, '"seq":900')),
        })) {
          await expect(imported(archive, broken)).rejects.toThrow(/^line \d+: /);
          expect([what, await archive.roomIds(10)]).toEqual([what, []]);
        }
        const [first = '', ...others] = only;
        expect(await imported(archive, [`\uFEFF${first}`, ...others])).toEqual({ rooms: 1, messages: 180 });
        expect(await archive.roomIds(10)).toEqual([rooms.open]);
      });
    }, 60_000);

    it('can be repeated after the process died in the middle', async () => {
      const only = await exportedRoom(rooms.open);
      const dying = await place.archive();
      const room = JSON.parse(only[0] ?? '') as { headSeq: number };
      expect(room.headSeq).toBe(230);
      const stops = (async function* () {
        yield* only.slice(0, 150);
        await new Promise(() => {});
      })();
      const { importRooms } = await import('../../src/archive/import-rooms.ts');
      let reached = false;
      void importRooms(
        dying,
        watch(stops, 149, () => {
          reached = true;
        }),
        () => 'e',
        { rooms: 0, messages: 0 },
      );
      while (!reached) await new Promise((resolve) => setImmediate(resolve));
      await dying.close();
      expect(await within(place.store(), (store) => store.viewRoom(rooms.open, 'ada'))).toBeUndefined();
      expect(await within(place.archive(), (it) => imported(it, only))).toEqual({ rooms: 1, messages: 180 });
    }, 60_000);

    it('exports what is asked for, and says when it is not there', async () => {
      await within(place.archive(), async (archive) => {
        await imported(archive, lines);
        const closed = await exported(archive, [rooms.closed]);
        expect(closed.map((it) => JSON.parse(it).kind)).toEqual(['room', 'member']);
        await expect(exported(archive, ['nowhere'])).rejects.toThrow('there is no room nowhere');
      });
    }, 60_000);

    const exportedRoom = (id: string) => within(source.archive(), (it) => exported(it, [id]));
  });
}

async function* watch(lines: AsyncIterable<string>, at: number, reached: () => void): AsyncGenerator<string> {
  let count = 0;
  for await (const line of lines) {
    yield line;
    count += 1;
    if (count === at) reached();
  }
}
