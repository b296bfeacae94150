import assert from 'node:assert/strict';
import { checkLogs } from './check-logs.ts';
import { eventually } from './eventually.ts';
import { noisePng } from './png.ts';
import { createGuest, createRoom, expectStatus, joinRoom, rest } from './rest.ts';
import type { TestBed } from './test-bed.ts';

const REPLY_MS = 10_000;
/** A change of presence is seen everywhere within this, with room for a busy machine. */
const SEEN_MS = 3000;

/**
 * A day of a chat, by nothing but the public surface: the same on every set-up. `urls` are the doors of one chat: one
 * server, or several on shared engines.
 */
export async function runFlow(bed: TestBed, urls: readonly [string, ...string[]]): Promise<void> {
  const [first] = urls;
  const last = urls.at(-1) ?? first;
  const call = <T>(url: string, token: string, line: string, body?: unknown) => rest<T>(url, line, { token, body });

  // Two people, a room that both are told of, and people come in through every door.
  const ada = await createGuest(first, 'Ada');
  const bob = await createGuest(first, 'Bob');
  const atAda = await bed.client(first, ada.token, { name: 'Ada' }).online();
  const atBob = await bed.client(last, bob.token, { name: 'Bob' }).online();
  const room = await createRoom(first, ada.token, `Flow ${Date.now()}`);
  await eventually('Bob is told of the room', () => atBob.pushesOf('chatroom', room).length > 0, SEEN_MS);
  await joinRoom(last, bob.token, room);
  await eventually('Ada is told that Bob joined', () => atAda.pushesOf('join', room).length > 0, SEEN_MS);
  await atAda.follow(room);
  await atBob.follow(room);

  // Everybody hears everything in order, whoever sends, through whichever door.
  for (let n = 0; n < 20; n += 1) {
    await Promise.all([
      atAda.send(room, `Ada says ${n}`),
      atBob.send(room, `Bob says ${n}`),
      expectStatus(201, call(last, ada.token, `POST /v1/chat/rooms/${room}/messages`, { message: `REST says ${n}` })),
    ]);
  }
  await checkLogs(first, ada.token, room, [atAda, atBob]);

  // The same key is the same message, at another door too; another body under it is refused.
  const sent = { message: 'once', clientId: 'the-same-key' };
  const path = `/v1/chat/rooms/${room}/messages`;
  const made = await expectStatus(201, call<{ id: string; seq: number }>(first, ada.token, `POST ${path}`, sent));
  const again = await expectStatus(200, call<{ id: string; seq: number }>(last, ada.token, `POST ${path}`, sent));
  assert.deepEqual([again.body.id, again.body.seq], [made.body.id, made.body.seq]);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  await expectStatus(422, call(last, ada.token, `POST ${path}`, { ...sent, message: 'twice' }));

  // Read marks and pictures.
  await expectStatus(204, call(last, bob.token, `PUT /v1/chat/rooms/${room}/read`, { seq: made.body.seq }));
  await eventually('Ada sees how far Bob read', () => atAda.pushesOf('read', room).length > 0, SEEN_MS);
  const picture = noisePng(2);
  const shown = await expectStatus(
    201,
    call<{ id: string }>(first, ada.token, `POST ${path}`, { image: picture.toString('base64') }),
  );
  const got = await fetch(`${last}${path}/${shown.body.id}/image`, {
    headers: { authorization: `Bearer ${bob.token}` },
  });
  assert.equal(got.headers.get('content-type'), 'image/png');
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), picture);

  // Presence and typing.
  const presence = () => call<{ count: number }>(last, ada.token, `GET /v1/chat/rooms/${room}/presence`);
  await eventually('both are present', async () => (await presence()).body.count === 2, SEEN_MS);
  await atBob.call('writing', { chatroom: room, status: 1 });
  await eventually('Ada sees Bob type', () => atAda.pushesOf('writing', room).length > 0, SEEN_MS);

  // A bot answers, once, and only once more when the command comes again under another key.
  const asked = await atBob.send(room, '/hello=Bob');
  assert.equal(asked.command, 'hello');
  const answers = () => atAda.appliedOf(room)?.filter((it) => it.inReplyTo === asked.id) ?? [];
  await eventually('the bot answers', () => answers().length > 0, REPLY_MS);
  assert.match(answers()[0]?.message ?? '', /Bob/);

  // Who was away catches up on whichever worker; what happened meanwhile comes in order.
  atBob.socket.disconnect();
  await eventually('Bob is gone', async () => (await presence()).body.count === 1, SEEN_MS);
  for (let n = 0; n < 5; n += 1) await atAda.send(room, `while Bob was away ${n}`);
  atBob.socket.connect();
  await atBob.online();
  const history = await checkLogs(last, ada.token, room, [atAda, atBob]);
  assert.equal(answers().length, 1);
  const { body: synced } = await expectStatus(
    200,
    call<{ rooms: Record<string, { messages: unknown[]; headSeq: number }> }>(last, bob.token, 'POST /v1/chat/sync', {
      rooms: { [room]: history.length - 3 },
    }),
  );
  assert.equal(synced.rooms[room]?.messages.length, 3);
  assert.equal(synced.rooms[room]?.headSeq, history.length);

  // Edits and deletions.
  await expectStatus(200, call(last, ada.token, `PATCH ${path}/${made.body.id}`, { message: 'once, mended' }));
  await eventually('Bob sees the edit', () => atBob.pushesOf('message:updated', room).length > 0, SEEN_MS);
  await expectStatus(204, call(first, ada.token, `DELETE ${path}/${made.body.id}`));
  await eventually('Bob sees the deletion', () => atBob.pushesOf('message:deleted', room).length > 0, SEEN_MS);

  // Who is banned hears nothing more, at whichever door.
  await expectStatus(200, call(first, ada.token, `PUT /v1/chat/rooms/${room}/bans/${bob.user}`, { reason: 'test' }));
  await eventually('Bob is out', () => atBob.pushesOf('removed', room).length > 0, SEEN_MS);
  const heard = atBob.pushesOf('message', room).length;
  await atAda.send(room, 'without Bob');
  await expectStatus(403, call(last, bob.token, `POST ${path}`, { message: 'let me in' }));
  assert.equal(atBob.pushesOf('message', room).length, heard);
}
