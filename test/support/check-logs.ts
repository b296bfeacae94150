import assert from 'node:assert/strict';
import type { Acked } from '../../src/verify/check-log.ts';
import { eventually } from './eventually.ts';
import { readHistory, type StoredMessage } from './rest.ts';

/** What a client, whatever it is made of, shows of itself for the check. */
export interface CheckedClient {
  readonly name: string;
  readonly acked: readonly Acked[];
  /** What it holds of a room it follows; undefined when it does not follow it. */
  appliedOf(room: string): readonly StoredMessage[] | undefined;
  faults(): readonly string[];
}

const short = ({ seq, id }: StoredMessage): string => `${seq} ${id}`;

/**
 * Waits until every follower of `room` holds its last message, then compares element by element: the history has no
 * holes and no clientId twice, each acknowledged message is there once under the id and seq of its receipt, every
 * client's list is the history. Resolves with the history.
 */
export async function checkLogs(
  url: string,
  token: string,
  room: string,
  clients: readonly CheckedClient[],
  withinMs = 5000,
): Promise<StoredMessage[]> {
  const history = await readHistory(url, token, room);
  assert.deepEqual(
    history.map((it) => it.seq),
    history.map((_, at) => at + 1),
    'the log has holes',
  );
  const byClientId = new Map(history.map((it) => [it.clientId, it]));
  assert.equal(byClientId.size, history.length, 'a clientId is there twice');
  for (const { name, acked } of clients) {
    for (const { clientId, id, seq } of acked.filter((it) => it.room === room)) {
      const stored = byClientId.get(clientId);
      assert.ok(stored, `the acknowledged message ${seq} of ${name} is lost`);
      assert.deepEqual({ id: stored.id, seq: stored.seq }, { id, seq }, `a receipt of ${name} says something else`);
    }
  }
  const followers = clients.filter((it) => it.appliedOf(room) !== undefined);
  await eventually(
    `all ${followers.length} followers of ${room} have everything`,
    () => followers.every((it) => (it.appliedOf(room)?.length ?? 0) >= history.length),
    withinMs,
  ).catch(() => {}); // the comparison says better what is missing
  for (const client of followers) {
    assert.deepEqual(client.faults(), [], client.name);
    assert.deepEqual(client.appliedOf(room)?.map(short), history.map(short), `${client.name} holds another log`);
    const texts = client.appliedOf(room)?.map((it) => it.message);
    assert.deepEqual(
      texts,
      history.map((it) => it.message),
      `${client.name} holds other texts`,
    );
  }
  return history;
}
