import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Command } from '../../src/chat/model.ts';
import { type NewRoom, OPEN_COMMANDS_MAX, type Store } from '../../src/chat/ports/store.ts';
import { at, draft, newRoom } from '../support/store-data.ts';

export interface OpenStore {
  readonly store: Store;
  /** One more instance on the same data, as another worker has one. */
  another(): Promise<Store>;
  /** Closes all and opens the data again. */
  reopen(): Promise<Store>;
  /** From now on nothing can be written. */
  breakDown(): Promise<void>;
  /** Ends {@link breakDown}. */
  recover(): Promise<void>;
  close(): Promise<void>;
}

const ada = { user: 'ada', name: 'Ada' };
const bob = { user: 'bob', name: 'Bob' };
const MANY = 500;
const everything = { from: 1, to: Number.MAX_SAFE_INTEGER, order: 'asc', limit: 10_000 } as const;

const newCommand = (chatroom: string, over: Partial<Command> = {}): Command => ({
  id: randomUUID(),
  chatroom,
  user: 'ada',
  userName: 'Ada',
  clientId: randomUUID(),
  fingerprint: 'f1',
  command: 'stock',
  args: 'aapl.us',
  message: '/stock=aapl.us',
  createdAt: at,
  deadline: 1_767_323_055_678,
  ticket: 'ticket of the command',
  ...over,
});

const asMember = ({ user, name }: { user: string; name: string }) => ({ user, name, at, role: 'member' as const });

/** What every driver of the {@link Store} port promises. */
export function storeContract(driver: string, open: () => Promise<OpenStore>): void {
  describe(`Store: ${driver}`, () => {
    let opened: OpenStore;
    let store: Store;
    const room = (over: Partial<NewRoom> = {}) => store.createRoom(newRoom(over), ada, MANY);

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    }, 30_000);
    afterEach(() => opened.close(), 30_000);

    describe('append', () => {
      it('gives 1, 2, 3 … without holes to concurrent appenders on several instances', async () => {
        const { id } = await room();
        const stores = [store, await opened.another(), await opened.another()];
        const appender = async (n: number) => {
          const seqs: number[] = [];
          for (let i = 0; i < 25; i++) {
            const through = stores[(n + i) % stores.length] ?? store;
            seqs.push((await through.append(draft(id, { owner: `user ${n}`, message: `${n}.${i}` }))).seq);
          }
          return seqs;
        };
        const given = await Promise.all(Array.from({ length: 8 }, (_, n) => appender(n)));
        for (const seqs of given) expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
        const expected = Array.from({ length: 200 }, (_, i) => i + 1);
        expect(given.flat().toSorted((a, b) => a - b)).toEqual(expected);
        expect((await store.messages(id, everything)).map(({ seq }) => seq)).toEqual(expected);
      });

      it('counts each room by itself', async () => {
        const [one, two] = [await room(), await room()];
        await store.append(draft(one.id));
        expect(await store.append(draft(two.id))).toMatchObject({ seq: 1 });
        expect(await store.append(draft(one.id))).toMatchObject({ seq: 2 });
      });

      it('is seen by every instance as soon as it resolves', async () => {
        const { id } = await room();
        const other = await opened.another();
        for (let seq = 1; seq <= 20; seq++) {
          await store.append(draft(id));
          expect((await other.heads([id])).get(id)?.headSeq).toBe(seq);
          expect(await other.messages(id, { from: seq, to: seq, order: 'asc', limit: 1 })).toHaveLength(1);
        }
      });

      it('keeps every field, and no key for an absent one', async () => {
        const { id } = await room();
        const plain = draft(id);
        const { fingerprint: _, ...kept } = plain;
        await store.append(plain);
        const [first] = await store.messages(id, everything);
        expect(first).toStrictEqual({ ...kept, seq: 1 });

        const rich = {
          inReplyTo: plain.id,
          origin: 'irc',
          bot: { name: 'Stock' },
          meta: { deep: [{ 'é\u0000"': null }], n: 1.5 },
        };
        const full = draft(id, { type: 2, message: 'https://example.org', ...rich });
        await store.append(full);
        const { fingerprint: __, ...fullKept } = full;
        expect(await store.message(id, full.id)).toStrictEqual({ ...fullKept, seq: 2 });
      });

      it('refuses an unknown room', async () => {
        await expect(store.append(draft('nowhere'))).rejects.toMatchObject({ code: 'invalid_chatroom' });
        expect(await store.messages('nowhere', everything)).toEqual([]);
      });

      it('stores an image apart and gives the same bytes back', async () => {
        const { id } = await room();
        const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256);
        const picture = draft(id, { type: 3, message: '/path', image: { contentType: 'image/png', bytes } });
        await store.append(picture);
        const image = await store.image(id, picture.id);
        expect(image?.contentType).toBe('image/png');
        expect(Buffer.compare(image?.bytes ?? new Uint8Array(), bytes)).toBe(0);
        const [read] = await store.messages(id, everything);
        expect(read).not.toHaveProperty('image');
        const plain = draft(id);
        await store.append(plain);
        expect(await store.image(id, plain.id)).toBeUndefined();
        expect(await store.image('elsewhere', picture.id)).toBeUndefined();
      });
    });

    describe('idempotency', () => {
      it('gives the first receipt for a repeated key, on every instance', async () => {
        const { id } = await room();
        const first = draft(id);
        const receipt = await store.append(first);
        expect(receipt).toEqual({ id: first.id, seq: 1, createdAt: at, replayed: false });
        const again = { ...first, id: randomUUID(), createdAt: '2027-01-01T00:00:00.000Z' };
        const other = await opened.another();
        for (const through of [store, other]) {
          expect(await through.append(again)).toEqual({ ...receipt, replayed: true });
        }
        expect(await store.messages(id, everything)).toHaveLength(1);
        expect(await other.findReceipt(id, 'ada', first.clientId)).toEqual({
          id: first.id,
          seq: 1,
          createdAt: at,
          fingerprint: 'f1',
        });
      });

      it('stores once what is sent many times at once', async () => {
        const { id } = await room();
        const message = draft(id);
        const other = await opened.another();
        const receipts = await Promise.all(
          Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).append({ ...message, id: randomUUID() })),
        );
        expect(new Set(receipts.map((it) => `${it.id} ${it.seq}`)).size).toBe(1);
        expect(receipts.filter(({ replayed }) => !replayed)).toHaveLength(1);
        expect((await store.heads([id])).get(id)?.headSeq).toBe(1);
      });

      it('keeps keys of owners and of rooms apart', async () => {
        const [one, two] = [await room(), await room()];
        await store.append(draft(one.id, { clientId: 'k' }));
        expect(await store.append(draft(one.id, { clientId: 'k', owner: 'bob' }))).toMatchObject({ replayed: false });
        expect(await store.append(draft(two.id, { clientId: 'k' }))).toMatchObject({ replayed: false });
        expect(await store.findReceipt(two.id, 'bob', 'k')).toBeUndefined();
      });

      it('leaves no hole where messages that are sent together hold a replay and a conflict', async () => {
        const { id } = await room();
        const first = draft(id, { clientId: 'k' });
        await store.append(first);
        const together = ['a', 'k', 'b', 'b', 'conflict', 'c'].map((clientId) =>
          clientId === 'conflict'
            ? draft(id, { clientId: 'k', fingerprint: 'f2' })
            : draft(id, { clientId, message: clientId }),
        );
        const outcomes = await Promise.allSettled(together.map((it) => store.append(it)));
        expect(outcomes).toMatchObject([
          { value: { seq: 2, replayed: false } },
          { value: { id: first.id, seq: 1, replayed: true } },
          { value: { seq: 3, replayed: false } },
          { value: { id: together[2]?.id, seq: 3, replayed: true } },
          { reason: { code: 'idempotency_conflict' } },
          { value: { seq: 4, replayed: false } },
        ]);
        expect((await store.messages(id, everything)).map(({ seq, clientId }) => [seq, clientId])).toEqual([
          [1, 'k'],
          [2, 'a'],
          [3, 'b'],
          [4, 'c'],
        ]);
      });

      it('refuses another body under the same key, and goes on without a hole', async () => {
        const { id } = await room();
        await store.append(draft(id, { clientId: 'k' }));
        await expect(store.append(draft(id, { clientId: 'k', fingerprint: 'f2' }))).rejects.toMatchObject({
          code: 'idempotency_conflict',
        });
        expect(await store.append(draft(id))).toMatchObject({ seq: 2 });
      });

      it('treats commands alike, and a key as taken by either kind', async () => {
        const { id } = await room();
        const command = newCommand(id, { clientId: 'c' });
        expect(await store.putCommand(command)).toEqual({ id: command.id, createdAt: at, replayed: false });
        expect(await store.putCommand({ ...command, id: randomUUID() })).toEqual({
          id: command.id,
          createdAt: at,
          replayed: true,
        });
        expect(await store.findReceipt(id, 'ada', 'c')).toStrictEqual({
          id: command.id,
          createdAt: at,
          fingerprint: 'f1',
        });
        const conflict = { code: 'idempotency_conflict' };
        await expect(store.putCommand(newCommand(id, { clientId: 'c', fingerprint: 'f2' }))).rejects.toMatchObject(
          conflict,
        );
        await expect(store.append(draft(id, { clientId: 'c' }))).rejects.toMatchObject(conflict);
        await store.append(draft(id, { clientId: 'm' }));
        await expect(store.putCommand(newCommand(id, { clientId: 'm' }))).rejects.toMatchObject(conflict);
        expect((await store.heads([id])).get(id)?.headSeq).toBe(1);
      });

      it('replays whatever became of the message', async () => {
        const { id } = await room();
        const [edited, deleted] = [draft(id), draft(id)];
        const receipts = [await store.append(edited), await store.append(deleted)];
        await store.editMessage(id, edited.id, 'other', 1);
        await store.deleteMessage(id, deleted.id);
        expect(await store.append(edited)).toEqual({ ...receipts[0], replayed: true });
        expect(await store.append(deleted)).toEqual({ ...receipts[1], replayed: true });
        expect(await store.message(id, deleted.id)).toMatchObject({ deleted: true, message: '' });
      });
    });

    describe('rooms', () => {
      it('starts a room with its owner as the first member', async () => {
        const made = newRoom({ name: 'Ärger', topic: 'all of it' });
        const { nameKey: _, ...kept } = made;
        const expected = {
          ...kept,
          owner: 'ada',
          slowModeMs: 0,
          count: 1,
          headSeq: 0,
          firstSeq: 1,
          rev: 0,
        };
        const created = await store.createRoom(made, ada, MANY);
        expect(created).toEqual({ ...expected, version: created.version });
        expect(await store.viewRoom(made.id, 'ada')).toStrictEqual({ room: created, role: 'owner' });
        expect(await store.viewRoom(made.id, 'bob')).toStrictEqual({ room: created });
        expect(await store.viewRoom('nowhere', 'ada')).toBeUndefined();
        const { headSeq: _headSeq, ...headless } = created;
        expect(await store.standing(made.id, 'ada')).toMatchObject({ room: headless, role: 'owner' });
        expect((await store.standing(made.id, 'bob'))?.role).toBeUndefined();
        expect(await store.standing('nowhere', 'ada')).toBeUndefined();
        expect(await store.members(made.id)).toEqual([{ ...ada, role: 'owner' }]);
      });

      it('allows a public name once, a private one once per owner', async () => {
        const lounge = { name: 'Lounge', nameKey: 'lounge' };
        const duplicate = { code: 'duplicate' };
        await store.createRoom(newRoom(lounge), ada, MANY);
        await expect(store.createRoom(newRoom({ ...lounge, name: 'LOUNGE' }), bob, MANY)).rejects.toMatchObject(
          duplicate,
        );
        const secret = { ...lounge, visibility: 'private' } as const;
        const mine = await store.createRoom(newRoom(secret), ada, MANY);
        await expect(store.createRoom(newRoom(secret), ada, MANY)).rejects.toMatchObject(duplicate);
        await store.createRoom(newRoom(secret), bob, MANY);
        await expect(store.patchRoom(mine.id, { visibility: 'public' })).rejects.toMatchObject(duplicate);
        const open = await room();
        await expect(store.patchRoom(open.id, { name: 'lounge', nameKey: 'lounge' })).rejects.toMatchObject(duplicate);
        expect((await store.viewRoom(open.id, 'ada'))?.room).toEqual(open);
        expect(await store.patchRoom(mine.id, { name: 'LOUNGE', nameKey: 'lounge' })).toMatchObject({ name: 'LOUNGE' });
      });

      it('gives a public name to one of many who ask at once', async () => {
        const other = await opened.another();
        const asked = await Promise.allSettled(
          Array.from({ length: 10 }, (_, i) =>
            (i % 2 ? store : other).createRoom(newRoom({ name: 'Hall' }), ada, MANY),
          ),
        );
        expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const it of asked) if (it.status === 'rejected') expect(it.reason).toMatchObject({ code: 'duplicate' });
      });

      it('frees a name with its room', async () => {
        const first = await room({ name: 'Attic' });
        await store.deleteRoom(first.id);
        expect(await room({ name: 'Attic' })).toMatchObject({ name: 'Attic', headSeq: 0 });
      });

      it('patches what is given and raises the version', async () => {
        const made = await room();
        const patched = await store.patchRoom(made.id, { topic: 'tea', slowModeMs: 500 }, made.version);
        expect(patched).toEqual({ ...made, topic: 'tea', slowModeMs: 500, version: made.version + 1 });
        expect((await store.viewRoom(made.id, 'ada'))?.room).toEqual(patched);
        const stale = { code: 'invalid_operation', status: 412 };
        await expect(store.patchRoom(made.id, { topic: 'x' }, made.version)).rejects.toMatchObject(stale);
        await expect(store.deleteRoom(made.id, made.version)).rejects.toMatchObject(stale);
        expect((await store.viewRoom(made.id, 'ada'))?.room).toEqual(patched);
        await expect(store.patchRoom('nowhere', { topic: 'x' })).rejects.toMatchObject({ code: 'invalid_chatroom' });
      });

      it('deletes a room with all that belongs to it', async () => {
        const made = await room();
        const bytes = Uint8Array.of(1, 2, 3);
        const picture = draft(made.id, { type: 3, image: { contentType: 'image/gif', bytes } });
        await store.append(picture);
        const command = newCommand(made.id);
        await store.putCommand(command);
        await store.markRead(made.id, 'ada', 1);
        await store.ban(made.id, { user: 'eve', by: 'ada', at });
        const before = (await store.viewRoom(made.id, 'ada'))?.room;
        expect(await store.deleteRoom(made.id, made.version)).toEqual(before);

        await expect(store.deleteRoom(made.id)).rejects.toMatchObject({ code: 'invalid_chatroom' });
        await expect(store.append(picture)).rejects.toMatchObject({ code: 'invalid_chatroom' });
        expect(await store.viewRoom(made.id, 'ada')).toBeUndefined();
        expect(await store.roomIdsOf('ada')).toEqual([]);
        expect((await store.heads([made.id])).size).toBe(0);
        expect(await store.command(command.id)).toBeUndefined();
        expect(await store.openCommands(10)).toEqual([]);
        expect(await store.members(made.id)).toEqual([]);
        // Nothing of it comes back with a later room of the same id.
        for (const later of [false, true]) {
          if (later) await store.createRoom(newRoom({ id: made.id }), bob, MANY);
          expect(await store.messages(made.id, everything)).toEqual([]);
          expect(await store.message(made.id, picture.id)).toBeUndefined();
          expect(await store.image(made.id, picture.id)).toBeUndefined();
          expect(await store.changedSince(made.id, 0, 10)).toEqual([]);
          expect(await store.findReceipt(made.id, 'ada', picture.clientId)).toBeUndefined();
          expect(await store.readMark(made.id, 'ada')).toBe(0);
          expect((await store.viewRoom(made.id, 'eve'))?.ban).toBeUndefined();
        }
        expect(await store.append(draft(made.id))).toMatchObject({ seq: 1 });
      });

      it('lists by name in pages, mine and others', async () => {
        const names = ['b', 'a', 'Ä', 'd', 'c', '50%_', 'Z', '😀'];
        for (const name of names) await store.createRoom(newRoom({ name }), bob, MANY);
        const joined = await store.createRoom(newRoom({ name: 'mine' }), ada, MANY);
        const secret = await store.createRoom(newRoom({ name: 'secret', visibility: 'private' }), bob, MANY);
        await store.ban(joined.id, { user: 'bob', by: 'ada', at });

        const walk = async (user: string, scope: 'mine' | 'others', all = false, limit = 3) => {
          const listed: string[] = [];
          for (let after: { nameKey: string; id: string } | undefined; ; ) {
            const views = await store.listRooms({ user, scope, all, limit, ...(after && { after }) });
            listed.push(...views.map(({ room }) => room.name));
            const last = views.at(-1);
            if (last === undefined) return listed;
            expect(views.length).toBeLessThanOrEqual(limit);
            after = { nameKey: last.room.name.toLowerCase(), id: last.room.id };
          }
        };
        const sorted = names.toSorted((a, b) =>
          Buffer.compare(Buffer.from(a.toLowerCase()), Buffer.from(b.toLowerCase())),
        );
        expect(await walk('ada', 'others')).toEqual(sorted);
        expect(await walk('ada', 'mine')).toEqual(['mine']);
        expect(await walk('ada', 'others', true)).toContain('secret');
        expect(await walk('bob', 'others')).toEqual(['mine']);
        expect((await walk('bob', 'mine')).toSorted()).toEqual([...names, 'secret'].toSorted());

        const [view] = await store.listRooms({ user: 'bob', scope: 'mine', all: false, limit: 1, q: 'secr' });
        expect(view).toStrictEqual({ room: secret, role: 'owner' });
        const search = async (q: string) =>
          (await store.listRooms({ user: 'ada', scope: 'others', all: false, limit: 9, q })).map((it) => it.room.name);
        expect(await search('%')).toEqual(['50%_']);
        expect(await search('_')).toEqual(['50%_']);
        expect(await search('.*')).toEqual([]);
        expect(await search('ä')).toEqual(['Ä']);
      });

      it('pages through rooms that share a name', async () => {
        const made = [];
        for (const user of ['u1', 'u2', 'u3', 'u4', 'u5']) {
          const secret = newRoom({ name: 'Same', visibility: 'private' });
          made.push((await store.createRoom(secret, { user, name: user }, MANY)).id);
        }
        const listed: string[] = [];
        for (let id = ''; listed.length < made.length; ) {
          const after = { nameKey: 'same', id };
          const [next] = await store.listRooms({ user: 'ada', scope: 'others', all: true, limit: 1, after });
          if (next === undefined) break;
          id = next.room.id;
          listed.push(id);
        }
        expect(listed).toEqual(made.toSorted());
      });

      it('tells the heads of many rooms at once', async () => {
        const [one, two] = [await room(), await room({ epoch: 'e2' })];
        const message = draft(one.id);
        await store.append(message);
        await store.append(draft(one.id));
        await store.editMessage(one.id, message.id, 'x', 1);
        expect(await store.heads([one.id, 'nowhere', two.id, one.id])).toEqual(
          new Map([
            [one.id, { headSeq: 2, firstSeq: 1, rev: 1, epoch: 'e1' }],
            [two.id, { headSeq: 0, firstSeq: 1, rev: 0, epoch: 'e2' }],
          ]),
        );
        expect((await store.heads([])).size).toBe(0);
      });
    });

    describe('members', () => {
      it('adds once, in the order of joining', async () => {
        const { id } = await room();
        await store.append(draft(id));
        const joined = { added: true, role: 'member', count: 2, headSeq: 1 };
        expect(await store.addMember(id, asMember(bob), MANY)).toEqual(joined);
        expect(await store.addMember(id, { ...asMember(bob), role: 'moderator' }, MANY)).toEqual({
          ...joined,
          added: false,
        });
        await store.addMember(id, { user: 'aaa', name: 'Aaa', at, role: 'moderator' }, MANY);
        expect(await store.members(id)).toEqual([
          { ...ada, role: 'owner' },
          { ...bob, role: 'member' },
          { user: 'aaa', name: 'Aaa', role: 'moderator' },
        ]);
        expect((await store.viewRoom(id, 'bob'))?.room.count).toBe(3);
        expect(await store.roomIdsOf('bob')).toEqual([id]);
        await expect(store.addMember('nowhere', asMember(bob), MANY)).rejects.toMatchObject({
          code: 'invalid_chatroom',
        });
      });

      it('counts right when many join and leave at once', async () => {
        const { id } = await room();
        const other = await opened.another();
        const users = Array.from({ length: 20 }, (_, i) => ({ user: `u${i}`, name: `U${i}` }));
        await Promise.all(users.map((it, i) => (i % 2 ? store : other).addMember(id, asMember(it), MANY)));
        await Promise.all(users.slice(0, 10).map((it, i) => (i % 2 ? store : other).removeMember(id, it.user)));
        expect((await store.viewRoom(id, 'ada'))?.room.count).toBe(11);
        expect(await store.members(id)).toHaveLength(11);
      });

      it('hands the room of an owner who leaves to the oldest member, an empty one to the next', async () => {
        const { id, version } = await room();
        await store.addMember(id, asMember(bob), MANY);
        await store.addMember(id, { user: 'cyd', name: 'Cyd', at, role: 'moderator' }, MANY);
        expect(await store.removeMember(id, 'ada')).toEqual({ removed: true, name: 'Ada', count: 2, newOwner: 'bob' });
        const handed = await store.viewRoom(id, 'bob');
        expect(handed).toMatchObject({ role: 'owner', room: { owner: 'bob', count: 2 } });
        expect(handed?.room.version).toBeGreaterThan(version);
        expect(await store.removeMember(id, 'cyd')).toStrictEqual({ removed: true, name: 'Cyd', count: 1 });
        expect(await store.removeMember(id, 'cyd')).toMatchObject({ removed: false, count: 1 });
        expect(await store.removeMember(id, 'bob')).toStrictEqual({ removed: true, name: 'Bob', count: 0 });
        expect((await store.viewRoom(id, 'bob'))?.room).toMatchObject({ count: 0 });
        expect(await store.addMember(id, asMember({ user: 'dan', name: 'Dan' }), MANY)).toMatchObject({
          added: true,
          role: 'owner',
          count: 1,
        });
        expect((await store.viewRoom(id, 'dan'))?.room.owner).toBe('dan');
        await expect(store.removeMember('nowhere', 'ada')).rejects.toMatchObject({ code: 'invalid_chatroom' });
      });

      it('lets nobody into more rooms than allowed', async () => {
        const past = { code: 'invalid_operation' };
        const [one, two] = [await room(), await room()];
        await store.addMember(one.id, asMember(bob), 1);
        await expect(store.addMember(two.id, asMember(bob), 1)).rejects.toMatchObject(past);
        await expect(store.createRoom(newRoom(), bob, 1)).rejects.toMatchObject(past);
        expect(await store.addMember(one.id, asMember(bob), 1)).toMatchObject({ added: false });
        expect(await store.roomIdsOf('bob')).toEqual([one.id]);
        expect((await store.viewRoom(two.id, 'bob'))?.room.count).toBe(1);
        await store.removeMember(one.id, 'bob');
        expect(await store.addMember(two.id, asMember(bob), 1)).toMatchObject({ added: true });
      });

      it('lets nobody into more rooms than allowed, however many are joined at once', async () => {
        const rooms = await Promise.all(Array.from({ length: 6 }, () => room()));
        const other = await opened.another();
        const joins = await Promise.allSettled(
          rooms.map((it, i) => (i % 2 ? store : other).addMember(it.id, asMember(bob), 3)),
        );
        for (const it of joins) {
          if (it.status === 'rejected') expect(it.reason).toMatchObject({ code: 'invalid_operation' });
        }
        const joined = rooms.filter((_, i) => joins[i]?.status === 'fulfilled').map(({ id }) => id);
        expect(joined.length).toBeLessThanOrEqual(3);
        expect((await store.roomIdsOf('bob')).toSorted()).toEqual(joined.toSorted());
        for (const { id } of rooms) {
          const count = (await store.viewRoom(id, 'ada'))?.room.count;
          expect(count).toBe(joined.includes(id) ? 2 : 1);
        }
      });

      it('has one owner and the right count, whoever comes, goes and is promoted at once', async () => {
        const { id } = await room();
        const through = [store, await opened.another()];
        const at = (i: number) => through[i % through.length] ?? store;
        const users = Array.from({ length: 6 }, (_, i) => `u${i}`);
        await Promise.all(users.map((user, i) => at(i).addMember(id, asMember({ user, name: user }), MANY)));
        for (let round = 0; round < 3; round++) {
          const changes = users.flatMap((user, i) => [
            () => at(i).setRole(id, user, 'owner'),
            () => at(i + 1).removeMember(id, user),
            () => at(i).addMember(id, asMember({ user, name: user }), MANY),
          ]);
          const outcomes = await Promise.allSettled(changes.map((it) => it()));
          for (const it of outcomes) {
            // Whoever has just left can be given no role, and whoever owns the room by now keeps it.
            if (it.status === 'rejected') expect(it.reason.code).toMatch(/^(not_a_member|invalid_operation)$/);
          }
          const members = await store.members(id);
          const { room: seen } = (await store.viewRoom(id, 'ada')) ?? {};
          expect(members.filter(({ role }) => role === 'owner').map(({ user }) => user)).toEqual([seen?.owner]);
          expect(seen?.count).toBe(members.length);
          expect(new Set(members.map(({ user }) => user)).size).toBe(members.length);
        }
      }, 30_000);

      it('gives roles, and one owner only', async () => {
        const { id, version } = await room();
        await store.addMember(id, asMember(bob), MANY);
        expect(await store.setRole(id, 'bob', 'moderator')).toMatchObject({ owner: 'ada' });
        expect(await store.viewRoom(id, 'bob')).toMatchObject({ role: 'moderator' });
        const handed = await store.setRole(id, 'bob', 'owner');
        expect(handed).toMatchObject({ owner: 'bob' });
        expect(handed.version).toBeGreaterThan(version);
        expect(await store.viewRoom(id, 'ada')).toMatchObject({ role: 'moderator' });
        await expect(store.setRole(id, 'bob', 'member')).rejects.toMatchObject({ code: 'invalid_operation' });
        expect(await store.viewRoom(id, 'bob')).toMatchObject({ role: 'owner' });
        await expect(store.setRole(id, 'eve', 'member')).rejects.toMatchObject({ code: 'not_a_member', status: 404 });
        await expect(store.setRole('nowhere', 'bob', 'member')).rejects.toMatchObject({ code: 'invalid_chatroom' });
      });

      it('bans and removes in one step, until the time is over', async () => {
        const { id } = await room();
        await store.addMember(id, asMember(bob), MANY);
        const until = Date.now() + 3_600_000;
        expect(await store.ban(id, { user: 'bob', until, reason: 'rude', by: 'ada', at })).toEqual({
          removed: true,
          name: 'Bob',
          count: 1,
        });
        const view = await store.viewRoom(id, 'bob');
        expect(view?.ban).toStrictEqual({ user: 'bob', until, reason: 'rude' });
        expect((await store.standing(id, 'bob'))?.ban).toStrictEqual({ user: 'bob', until, reason: 'rude' });
        expect(view).not.toHaveProperty('role');
        await expect(store.addMember(id, asMember(bob), MANY)).rejects.toMatchObject({ code: 'banned' });

        expect(await store.ban(id, { user: 'bob', until: Date.now() - 1, by: 'ada', at })).toMatchObject({
          removed: false,
          count: 1,
        });
        expect(await store.viewRoom(id, 'bob')).not.toHaveProperty('ban');
        expect(await store.addMember(id, asMember(bob), MANY)).toMatchObject({ added: true });

        await store.ban(id, { user: 'bob', by: 'ada', at });
        expect((await store.viewRoom(id, 'bob'))?.ban).toStrictEqual({ user: 'bob' });
        await store.unban(id, 'bob');
        expect(await store.viewRoom(id, 'bob')).not.toHaveProperty('ban');
        expect(await store.addMember(id, asMember(bob), MANY)).toMatchObject({ added: true });
        await expect(store.ban('nowhere', { user: 'bob', by: 'ada', at })).rejects.toMatchObject({
          code: 'invalid_chatroom',
        });
      });
    });

    describe('history', () => {
      it('reads closed windows in both orders', async () => {
        const { id } = await room();
        for (let i = 1; i <= 10; i++) await store.append(draft(id, { message: `m${i}` }));
        const seqs = async (from: number, to: number, order: 'asc' | 'desc', limit: number) =>
          (await store.messages(id, { from, to, order, limit })).map(({ seq }) => seq);
        expect(await seqs(3, 6, 'asc', 50)).toEqual([3, 4, 5, 6]);
        expect(await seqs(3, 6, 'desc', 50)).toEqual([6, 5, 4, 3]);
        expect(await seqs(3, 9, 'asc', 2)).toEqual([3, 4]);
        expect(await seqs(3, 9, 'desc', 2)).toEqual([9, 8]);
        expect(await seqs(9, 99, 'asc', 50)).toEqual([9, 10]);
        expect(await seqs(11, 99, 'asc', 50)).toEqual([]);
        expect(await seqs(6, 3, 'asc', 50)).toEqual([]);
      });

      it('edits, and tells what was changed', async () => {
        const { id } = await room();
        const [one, two, three] = [draft(id, { meta: { a: 1 } }), draft(id), draft(id)];
        for (const it of [one, two, three]) await store.append(it);
        const before = await store.message(id, one.id);
        expect(await store.editMessage(id, one.id, 'https://x.org', 2)).toStrictEqual({
          ...before,
          message: 'https://x.org',
          type: 2,
          rev: 1,
        });
        await store.editMessage(id, three.id, 'c', 1);
        await store.editMessage(id, one.id, 'a', 1);
        const changed = await store.changedSince(id, 0, 10);
        expect(changed.map((it) => [it.seq, it.rev, it.message])).toEqual([
          [3, 2, 'c'],
          [1, 3, 'a'],
        ]);
        expect(changed[1]).toStrictEqual(await store.message(id, one.id));
        expect((await store.changedSince(id, 2, 10)).map(({ seq }) => seq)).toEqual([1]);
        expect(await store.changedSince(id, 3, 10)).toEqual([]);
        expect((await store.changedSince(id, 0, 1)).map(({ rev }) => rev)).toEqual([2]);
        expect((await store.viewRoom(id, 'ada'))?.room).toMatchObject({ rev: 3, headSeq: 3 });
        expect(await store.editMessage(id, 'nothing', 'x', 1)).toBeUndefined();
        expect(await store.editMessage('elsewhere', one.id, 'x', 1)).toBeUndefined();
        expect((await store.heads([id])).get(id)?.rev).toBe(3);
      });

      it('leaves a tombstone where a message was deleted', async () => {
        const { id } = await room();
        const picture = draft(id, {
          type: 3,
          message: '/path',
          meta: { secret: 1 },
          image: { contentType: 'image/webp', bytes: Uint8Array.of(9) },
        });
        await store.append(picture);
        await store.append(draft(id));
        const tomb = await store.deleteMessage(id, picture.id);
        expect(tomb).toMatchObject({ id: picture.id, seq: 1, message: '', deleted: true, rev: 1 });
        expect(tomb).not.toHaveProperty('meta');
        expect(await store.image(id, picture.id)).toBeUndefined();
        expect(await store.deleteMessage(id, picture.id)).toEqual(tomb);
        expect(await store.editMessage(id, picture.id, 'x', 1)).toBeUndefined();
        expect(await store.deleteMessage(id, 'nothing')).toBeUndefined();
        expect((await store.messages(id, everything))[0]).toStrictEqual(tomb);
        expect(await store.changedSince(id, 0, 10)).toEqual([tomb]);
        expect((await store.heads([id])).get(id)).toMatchObject({ headSeq: 2, rev: 1 });
      });

      it('never gives the seq of a deleted last message again', async () => {
        const { id } = await room();
        const last = draft(id);
        await store.append(last);
        await store.deleteMessage(id, last.id);
        expect(await store.append(draft(id))).toMatchObject({ seq: 2 });
      });

      it('raises rev by one for each change, whoever changes at once', async () => {
        const { id } = await room();
        const drafts = Array.from({ length: 12 }, () => draft(id));
        for (const it of drafts) await store.append(it);
        const other = await opened.another();
        await Promise.all(drafts.map((it, i) => (i % 2 ? store : other).editMessage(id, it.id, `n${i}`, 1)));
        expect((await store.changedSince(id, 0, 50)).map(({ rev }) => rev)).toEqual(drafts.map((_, i) => i + 1));
      });

      it('moves read marks forward only', async () => {
        const { id } = await room();
        expect(await store.readMark(id, 'ada')).toBe(0);
        expect(await store.markRead(id, 'ada', 5)).toBe(5);
        expect(await store.markRead(id, 'ada', 3)).toBe(5);
        expect(await store.readMark(id, 'ada')).toBe(5);
        expect(await store.readMark(id, 'bob')).toBe(0);
        const other = await opened.another();
        await Promise.all([9, 7, 8, 6].map((seq, i) => (i % 2 ? store : other).markRead(id, 'ada', seq)));
        expect(await store.readMark(id, 'ada')).toBe(9);
      });
    });

    describe('giving up and erasing', () => {
      const fill = async (id: string, count: number) => {
        const receipts = [];
        for (let n = 1; n <= count; n++) receipts.push(await store.append(draft(id, { message: `${n}` })));
        return receipts;
      };

      it('raises firstSeq and goes on behind the head', async () => {
        const { id } = await room();
        await fill(id, 5);
        const other = await opened.another();
        await store.trim(id, 4);
        expect((await other.heads([id])).get(id)).toMatchObject({ firstSeq: 4, headSeq: 5 });
        expect((await other.messages(id, { ...everything, from: 4 })).map(({ seq }) => seq)).toEqual([4, 5]);
        await store.trim(id, 2);
        expect((await store.viewRoom(id, 'ada'))?.room).toMatchObject({ firstSeq: 4, headSeq: 5 });
        expect(await other.append(draft(id))).toMatchObject({ seq: 6 });
      });

      it('keeps the head of a room of which all is given up, whoever appends next', async () => {
        const { id } = await room();
        await fill(id, 3);
        await store.trim(id, 1000);
        const other = await opened.another();
        expect((await other.heads([id])).get(id)).toMatchObject({ firstSeq: 4, headSeq: 3 });
        expect(await other.append(draft(id))).toMatchObject({ seq: 4 });
        expect(await (await opened.reopen()).append(draft(id))).toMatchObject({ seq: 5 });
      });

      it('knows the keys of what it keeps, and the marks and revs of the room', async () => {
        const { id } = await room();
        const [first] = await fill(id, 3);
        const kept = draft(id);
        await store.append(kept);
        await store.deleteMessage(id, first?.id ?? '');
        await store.markRead(id, 'ada', 2);
        await store.trim(id, 4);
        expect(await store.append(kept)).toMatchObject({ seq: 4, replayed: true });
        expect(await store.readMark(id, 'ada')).toBe(2);
        await store.editMessage(id, kept.id, 'edited', 1);
        expect((await store.heads([id])).get(id)).toMatchObject({ rev: 2, headSeq: 4, firstSeq: 4 });
        expect((await store.changedSince(id, 1, 10)).map(({ seq }) => seq)).toEqual([4]);
      });

      it('refuses to trim an unknown room', async () => {
        await expect(store.trim('nowhere', 2)).rejects.toMatchObject({ code: 'invalid_chatroom' });
      });

      it('lists the ids of all rooms page by page', async () => {
        const ids = [];
        for (let n = 0; n < 7; n++) ids.push((await room({ visibility: n % 2 ? 'private' : 'public' })).id);
        const found: string[] = [];
        for (let page = await store.roomIds(3); page.length > 0; page = await store.roomIds(3, page.at(-1))) {
          expect(page.length).toBeLessThanOrEqual(3);
          found.push(...page);
        }
        expect(found.toSorted()).toEqual(ids.toSorted());
      });

      it('finds every message of a user and of nobody else, a few at a time', async () => {
        const fillRoom = async () => {
          const { id } = await room();
          await store.addMember(id, asMember(bob), MANY);
          const sent = ['ada', 'bo', 'bob"', 'bob', 'bob', 'bob'].map((owner) => store.append(draft(id, { owner })));
          const receipts = await Promise.all(sent);
          await store.putCommand(newCommand(id, { user: 'bob' }));
          await store.removeMember(id, 'bob');
          return receipts.slice(3).map((it) => it.id);
        };
        const own = (await Promise.all(Array.from({ length: 4 }, fillRoom))).flat();
        const find = async (limit: number) => {
          const found: { chatroom: string; id: string }[] = [];
          let after: string | undefined;
          do {
            const page = await store.messagesOf('bob', limit, after);
            expect(page.messages.length).toBeLessThanOrEqual(limit);
            found.push(...page.messages);
            after = page.next;
          } while (after !== undefined);
          return found;
        };
        for (const limit of [2, 5, 100])
          expect((await find(limit)).map(({ id }) => id).toSorted()).toEqual(own.toSorted());
        for (const { chatroom, id } of (await find(100)).slice(0, 4)) await store.deleteMessage(chatroom, id);
        expect(await find(100)).toHaveLength(8);
        expect(await store.messagesOf('nobody', 10)).toMatchObject({ messages: [] });
        await expect(store.messagesOf('bob', 10, 'zzz')).rejects.toMatchObject({ data: { fields: ['cursor'] } });
      });

      it('finds nothing of others by a cursor that was made up', async () => {
        const { id } = await room();
        await store.append(draft(id));
        const { next } = await store.messagesOf('ada', 1);
        for (const cursor of ['0', 'x', `${next} `, `${next?.split(' ')[0]} IA`]) {
          const found = await store.messagesOf('bob', 10, cursor).catch(() => ({ messages: [] }));
          expect(found.messages).toEqual([]);
        }
      });

      it('removes old settled commands and no others', async () => {
        const { id } = await room();
        const [open, settled] = [newCommand(id), newCommand(id)];
        for (const it of [open, settled]) await store.putCommand(it);
        await store.giveUpCommand(settled.id);
        expect(await store.dropCommands('2026-01-01T00:00:00.000Z', 10)).toBe(0);
        expect(await store.dropCommands('2100-01-01T00:00:00.000Z', 10)).toBe(1);
        expect(await store.command(settled.id)).toBeUndefined();
        expect(await store.command(open.id)).toBeDefined();
        expect(await store.dropCommands('2100-01-01T00:00:00.000Z', 10)).toBe(0);
      });
    });

    describe('commands', () => {
      it('keeps a command open until a bot answers', async () => {
        const { id } = await room();
        const [one, two] = [newCommand(id), newCommand(id)];
        await store.putCommand(one);
        await store.putCommand(two);
        expect(await store.command(one.id)).toStrictEqual(one);
        expect(await store.command('nothing')).toBeUndefined();
        expect(await store.openCommands(10)).toStrictEqual([one, two]);
        expect(await store.openCommands(1)).toStrictEqual([one]);
        await store.append(draft(id, { inReplyTo: one.id }));
        expect(await store.openCommands(10)).toHaveLength(2);
        await store.append(draft(id, { owner: 'bot', bot: { name: 'Stock' }, inReplyTo: one.id }));
        expect(await store.openCommands(10)).toStrictEqual([two]);
        expect(await store.giveUpCommand(one.id)).toBe(false);
        expect(await store.command(one.id)).toStrictEqual(one);
        await expect(store.putCommand(newCommand('nowhere'))).rejects.toMatchObject({ code: 'invalid_chatroom' });
        expect((await store.heads([id])).get(id)?.headSeq).toBe(2);
      });

      it('is answered only in its own room', async () => {
        const [one, two] = [await room(), await room()];
        const command = newCommand(one.id);
        await store.putCommand(command);
        await store.append(draft(two.id, { owner: 'bot', bot: { name: 'Stock' }, inReplyTo: command.id }));
        expect(await store.openCommands(10)).toHaveLength(1);
      });

      it('waits with ten thousand others at most', async () => {
        const { id } = await room();
        const many = Array.from({ length: OPEN_COMMANDS_MAX }, () => newCommand(id));
        // A store may refuse those who wait with a thousand others, and none may wait for longer than 5 s.
        for (let at = 0; at < many.length; at += 200) {
          await Promise.all(many.slice(at, at + 200).map((it) => store.putCommand(it)));
        }
        await expect(store.putCommand(newCommand(id))).rejects.toMatchObject({ code: 'try_again' });
        await store.giveUpCommand(many[0]?.id ?? '');
        expect(await store.putCommand(newCommand(id))).toMatchObject({ replayed: false });
      }, 120_000);

      it('is given up once', async () => {
        const { id } = await room();
        const command = newCommand(id);
        await store.putCommand(command);
        const other = await opened.another();
        const tries = await Promise.all([store, other, store].map((it) => it.giveUpCommand(command.id)));
        expect(tries.filter(Boolean)).toHaveLength(1);
        expect(await store.openCommands(10)).toEqual([]);
        expect(await store.giveUpCommand('nothing')).toBe(false);
        // A late answer is a message like any other.
        await store.append(draft(id, { owner: 'bot', bot: { name: 'Stock' }, inReplyTo: command.id }));
        expect(await store.giveUpCommand(command.id)).toBe(false);
      });
    });

    it('keeps the newest revocation of a subject', async () => {
      await store.revoke('user:ada', 2000);
      await store.revoke('user:ada', 1000);
      await store.revoke('token:00ff', 500);
      expect(await store.revocations(['user:ada', 'user:bob', 'token:00ff'])).toEqual(
        new Map([
          ['user:ada', 2000],
          ['token:00ff', 500],
        ]),
      );
      expect((await store.revocations([])).size).toBe(0);
    });

    describe('hostile input', () => {
      const texts = [
        `'; DROP TABLE messages; --`,
        `"quoted" \`and\` \\ back`,
        '%_*?[]{}$ne',
        '😀 e\u0301 \u202e\u200d\ufeff \ufffd',
        '\u0001\u001f\r\n\t',
        'ä'.repeat(8192),
      ];

      it('keeps meta with any keys', async () => {
        const { id } = await room();
        const metas = [
          '{"$set":{"a.b":1},"":{"$ne":null}}',
          '{"a.b.c":[{"$where":"1"}],"$":0}',
          '{"__proto__":{"constructor":{"prototype":1}}}',
          '{"deep":{"deep":{"deep":{"n":-0.5,"no":null,"yes":true}}}}',
        ];
        for (const meta of metas) await store.append(draft(id, { meta: JSON.parse(meta) }));
        const read = await store.messages(id, everything);
        expect(read.map(({ meta }) => JSON.stringify(meta))).toEqual(metas);
      });

      it('keeps texts as they are', async () => {
        const { id } = await room();
        for (const message of texts) await store.append(draft(id, { message, ownerName: message }));
        const read = await store.messages(id, everything);
        expect(read.map((it) => it.message)).toEqual(texts);
        expect(read.map((it) => it.ownerName)).toEqual(texts);
      });

      it.each(['__proto__', 'constructor', `a'b"c`, '%', '$where', '../x', '😀'])('takes %s for an id', async (id) => {
        await store.createRoom(newRoom({ id }), { user: id, name: id }, MANY);
        const message = draft(id, { id, owner: id, clientId: id, meta: JSON.parse('{"__proto__":{"x":1}}') });
        await store.append(message);
        expect(await store.append({ ...message, id: 'other' })).toMatchObject({ id, replayed: true });
        expect((await store.heads([id])).get(id)?.headSeq).toBe(1);
        expect((await store.viewRoom(id, id))?.role).toBe('owner');
        const read = await store.message(id, id);
        expect(read).toMatchObject({ id, chatroom: id, owner: id, clientId: id });
        expect(JSON.stringify(read?.meta)).toBe('{"__proto__":{"x":1}}');
        await store.revoke(id, 5);
        expect((await store.revocations([id])).get(id)).toBe(5);
        expect(await store.viewRoom(`${id}x`, id)).toBeUndefined();
      });

      it.each(['a\0b', 'a\ud800'])('refuses %j without effect', async (bad) => {
        const { id } = await room();
        const refused = { code: 'invalid_fields' };
        const good = store.append(draft(id));
        await expect(store.append(draft(id, { message: bad }))).rejects.toMatchObject(refused);
        await expect(store.append(draft(id, { clientId: bad }))).rejects.toMatchObject(refused);
        await expect(store.createRoom(newRoom({ name: bad, nameKey: 'a' }), ada, MANY)).rejects.toMatchObject(refused);
        await expect(store.createRoom(newRoom(), { user: 'eve', name: bad }, MANY)).rejects.toMatchObject(refused);
        await expect(store.addMember(id, { ...asMember(bob), name: bad }, MANY)).rejects.toMatchObject(refused);
        expect(await good).toMatchObject({ seq: 1 });
        expect(await store.append(draft(id))).toMatchObject({ seq: 2 });
        expect(await store.roomIdsOf('eve')).toEqual([]);
        expect(await store.listRooms({ user: 'eve', scope: 'others', all: true, limit: 9 })).toHaveLength(1);
        expect((await store.viewRoom(id, 'ada'))?.room.count).toBe(1);
      });
    });

    it('keeps everything when it is closed and opened again', async () => {
      const made = await room({ name: 'Kept', topic: 'all' });
      const message = draft(made.id, { meta: { a: ['b'] } });
      const picture = draft(made.id, {
        type: 3,
        image: { contentType: 'image/jpeg', bytes: Uint8Array.of(1, 0, 255) },
      });
      const command = newCommand(made.id);
      const until = Date.now() + 60_000;
      await store.append(message);
      await store.append(picture);
      await store.editMessage(made.id, message.id, 'edited', 1);
      await store.addMember(made.id, asMember(bob), MANY);
      await store.ban(made.id, { user: 'eve', until, by: 'ada', at });
      await store.putCommand(command);
      await store.markRead(made.id, 'ada', 2);
      await store.revoke('user:eve', 7);
      const seen = async (from: Store) => ({
        view: await from.viewRoom(made.id, 'bob'),
        banned: await from.viewRoom(made.id, 'eve'),
        members: await from.members(made.id),
        messages: await from.messages(made.id, everything),
        changed: await from.changedSince(made.id, 0, 10),
        image: [...((await from.image(made.id, picture.id))?.bytes ?? [])],
        commands: await from.openCommands(10),
        mark: await from.readMark(made.id, 'ada'),
        revoked: await from.revocations(['user:eve']),
        heads: await from.heads([made.id]),
      });
      const before = await seen(store);
      const again = await opened.reopen();
      expect(await seen(again)).toEqual(before);
      expect(await again.append(message)).toMatchObject({ seq: 1, replayed: true });
      expect(await again.append(draft(made.id))).toMatchObject({ seq: 3 });
    });

    it('asks to try again while nothing can be written, does nothing by halves, and recovers', async () => {
      const { id } = await room();
      await store.append(draft(id));
      await opened.breakDown();
      const big = (message: string) => draft(id, { message, meta: { filler: 'x'.repeat(3000) } });
      const lost = Array.from({ length: 10 }, (_, i) => big(`lost ${i}`));
      const started = performance.now();
      const tried = await Promise.allSettled([
        ...lost.map((it) => store.append(it)),
        store.createRoom(newRoom({ topic: 'x'.repeat(8000) }), ada, MANY),
      ]);
      expect(performance.now() - started).toBeLessThan(5000);
      for (const it of tried) {
        expect(it.status === 'rejected' && it.reason).toMatchObject({ code: 'try_again', retry: true });
      }
      await opened.recover();
      const receipts = await Promise.all(lost.map((it) => store.append(it)));
      expect(new Set(receipts.map(({ seq }) => seq)).size).toBe(lost.length);
      const kept = await store.messages(id, everything);
      expect(kept.map(({ seq }) => seq)).toEqual(Array.from({ length: 11 }, (_, i) => i + 1));
      expect(new Set(kept.map((it) => it.id)).size).toBe(11);
    }, 15_000);
  });
}
