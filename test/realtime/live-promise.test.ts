import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { deleteMessage, editMessage } from '../../src/chat/change-message.ts';
import { joinRoom } from '../../src/chat/manage-members.ts';
import type { Message, RoomId } from '../../src/chat/model.ts';
import type { Store } from '../../src/chat/ports/store.ts';
import { around, openTestRealtime, type TestClient, type TestRealtime } from '../support/test-realtime.ts';

/**
 * After an answer that says where a room stands, the next live message is the one after that, and so on without a hole,
 * whatever is posted, edited and deleted meanwhile; and what a client puts together this way is the room's history.
 */

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads that take as long as they like let everything else happen in between. */
const slowReads = (store: Store): Store =>
  around(store, {
    messages: async (...args) => {
      await pause(Math.random() * 4);
      const read = await store.messages(...args);
      await pause(Math.random() * 4);
      return read;
    },
    changedSince: async (...args) => {
      await pause(Math.random() * 4);
      return store.changedSince(...args);
    },
    heads: async (rooms) => {
      const read = await store.heads(rooms);
      await pause(Math.random() * 4);
      return read;
    },
  });

const MESSAGES = 2000;

let test: TestRealtime;
let room: RoomId;
beforeEach(async () => {
  test = await openTestRealtime({ wrapStore: slowReads });
  room = await test.room('poster');
});
afterEach(() => test.close());

/** Posts from several sides at once, edits and deletes, until told to stop. */
function startPosting(): { count: () => number; stop: () => Promise<void> } {
  let going = true;
  let count = 0;
  const poster = async (name: string): Promise<void> => {
    for (let n = 0; going; n += 1) {
      const batch = Array.from({ length: 10 }, (_, at) => test.post('poster', room, `${name} ${n} ${at}`));
      count += (await Promise.all(batch)).length;
      if (n % 5 === 0) await pause(2);
    }
  };
  const editor = async (): Promise<void> => {
    for (let n = 0; going; n += 1) {
      const headSeq = (await test.chat.store.viewRoom(room, 'poster'))?.room.headSeq ?? 0;
      const seq = Math.max(1, headSeq - Math.floor(Math.random() * 100));
      const [message] = await test.chat.store.messages(room, { from: seq, to: seq, order: 'asc', limit: 1 });
      if (message && !message.deleted) {
        if (n % 5 === 0) await deleteMessage(test.chat, test.account('poster'), room, message.id);
        else await editMessage(test.chat, test.account('poster'), room, message.id, `edited ${n}`);
      }
      await pause(2);
    }
  };
  const running = [poster('a'), poster('b'), poster('c'), editor()];
  return {
    count: () => count,
    stop: async () => {
      going = false;
      await Promise.all(running);
    },
  };
}

interface Answer {
  readonly messages?: Message[];
  readonly changed?: Message[];
  readonly headSeq: number;
  readonly rev: number;
  readonly hasMore?: boolean;
}

/** Keeps a room as a client does, and checks the promise with each push. */
class Reader {
  readonly log = new Map<number, { message: string; deleted: boolean; rev: number }>();
  applied = 0;
  rev = 0;
  promises = 0;
  readonly broken: string[] = [];
  readonly #client: TestClient;
  /** The next live seq, when that is known. */
  #next: number | undefined;
  #held: Message[] = [];
  #behind = true;

  constructor(client: TestClient) {
    this.#client = client;
    client.socket.on('message', (it: Message) => {
      if (it.chatroom !== room) return;
      if (this.#next !== undefined && it.seq !== this.#next) this.broken.push(`${it.seq} instead of ${this.#next}`);
      if (this.#next !== undefined) this.promises += 1;
      this.#next = it.seq + 1;
      if (this.#behind) this.#held.push(it);
      else this.#apply(it);
    });
    for (const event of ['message:updated', 'message:deleted']) {
      client.socket.on(event, (it: { seq: number; rev: number; message?: string }) => {
        this.#change(it.seq, it.rev, it.message ?? '', event === 'message:deleted');
      });
    }
  }

  /** Asks; the answer is taken in the turn in which it comes, in order with the pushes. */
  ask(event: string, payload: object, answerOf: (ack: Record<string, never>) => Answer): Promise<Answer> {
    return new Promise((resolve) => {
      this.#client.socket.emit(event, payload, (ack: Record<string, never>) => {
        const answer = answerOf(ack);
        this.#take(answer);
        resolve(answer);
      });
    });
  }

  /** Catches up from `cursor` until nothing is missing. */
  async resume(): Promise<void> {
    this.#behind = true;
    for (let more = true; more; ) {
      const rooms = { [room]: { seq: this.applied, rev: this.rev } };
      more = (await this.ask('resume', { rooms, limit: 200 }, (ack) => ack.rooms?.[room] as never)).hasMore ?? false;
    }
  }

  #take({ messages = [], changed = [], headSeq, rev, hasMore }: Answer): void {
    for (const it of messages) {
      const known = this.log.get(it.seq);
      if (known && known.rev > (it.rev ?? 0)) this.broken.push(`${it.seq} as it was before rev ${known.rev}`);
      if (it.seq > this.applied) this.#apply(it);
      else this.#change(it.seq, it.rev ?? 0, it.message, it.deleted ?? false);
    }
    for (const it of changed) this.#change(it.seq, it.rev ?? 0, it.message, it.deleted ?? false);
    this.rev = Math.max(this.rev, rev);
    if (hasMore) return;
    if (this.#next !== undefined && this.#next !== headSeq + 1) {
      this.broken.push(`the head is ${headSeq}, and ${this.#next} was to come`);
    }
    this.#next = headSeq + 1;
    this.#behind = false;
    for (const it of this.#held.splice(0)) this.#apply(it);
  }

  #apply(it: Message): void {
    if (it.seq <= this.applied) return;
    if (it.seq !== this.applied + 1) this.broken.push(`a hole between ${this.applied} and ${it.seq}`);
    this.applied = it.seq;
    const known = this.log.get(it.seq);
    if (!known) this.log.set(it.seq, { message: it.message, deleted: it.deleted ?? false, rev: it.rev ?? 0 });
  }

  #change(seq: number, rev: number, message: string, deleted: boolean): void {
    // Of a message that is held back or to come: it is newer than that.
    const known = this.log.get(seq);
    if (!known || known.rev < rev) this.log.set(seq, { message, deleted, rev });
  }
}

describe('an answer and what comes live after it', () => {
  it('fit together for resume, join, switch and a new connection', async () => {
    await joinRoom(test.chat, test.account('member'), room);
    const readers: Reader[] = [];
    const posting = startPosting();
    const resuming = async (): Promise<void> => {
      const reader = new Reader(await test.connect('member'));
      readers.push(reader);
      while (posting.count() < MESSAGES) {
        await reader.resume();
        await pause(Math.random() * 10);
      }
      await posting.stop();
      await reader.resume();
    };
    const joining = async (user: string): Promise<void> => {
      while (posting.count() < MESSAGES) {
        const client = await test.connect(user);
        const reader = new Reader(client);
        readers.push(reader);
        // Older than what the room's feed keeps.
        reader.applied = Math.max(0, posting.count() - 300);
        await reader.ask('join', { chatroom: room, after: reader.applied, limit: 200 }, (ack) => ack as never);
        await reader.resume();
        await reader.ask('join', { chatroom: room, after: reader.applied }, (ack) => ack as never);
        await pause(Math.random() * 20);
        if (Math.random() < 0.5) await client.done('leave', { chatroom: room });
        client.socket.disconnect();
      }
    };
    const switching = async (user: string): Promise<void> => {
      const client = await test.connect(user);
      while (posting.count() < MESSAGES) {
        const journal: string[] = [];
        let next: number | undefined;
        const hear = (it: Message): void => {
          if (next !== undefined && it.seq !== next) journal.push(`${it.seq} instead of ${next}`);
          if (next !== undefined) next += 1;
        };
        client.socket.on('message', hear);
        await new Promise<void>((resolve) => {
          client.socket.emit('switch', { chatroom: room, limit: 200 }, (ack: { data: Answer }) => {
            next = ack.data.headSeq + 1;
            const seqs = ack.data.messages?.map((it) => it.seq) ?? [];
            if (seqs[0] !== ack.data.headSeq) journal.push(`shows ${seqs[0]} of ${ack.data.headSeq}`);
            if (seqs.some((seq, at) => seq !== ack.data.headSeq - at)) journal.push('a page with holes');
            resolve();
          });
        });
        await pause(Math.random() * 20);
        client.socket.off('message', hear);
        assert.deepEqual(journal, []);
      }
    };
    const connecting = async (): Promise<void> => {
      while (posting.count() < MESSAGES) {
        const client = await test.connect('member');
        await pause(Math.random() * 20);
        client.socket.disconnect();
        const told = client.heard.findIndex((it) => it.event === 'chatroom');
        const head = client.pushes('chatroom')[0]?.headSeq ?? Number.NaN;
        const live = client.heard
          .slice(told)
          .filter((it) => it.event === 'message')
          .map((it) => (it.push as Message).seq);
        assert.deepEqual(
          live,
          live.map((_, at) => head + 1 + at),
        );
      }
    };
    await Promise.all([
      resuming(),
      resuming(),
      joining('j1'),
      joining('j2'),
      switching('reader'),
      switching('member'),
      connecting(),
    ]);
    await posting.stop();

    assert.deepEqual(
      readers.flatMap((it) => it.broken),
      [],
    );
    const head = (await test.chat.store.viewRoom(room, 'poster'))?.room.headSeq ?? 0;
    assert.ok(head >= MESSAGES);
    assert.ok(readers.reduce((sum, it) => sum + it.promises, 0) > head);
    const history: unknown[] = [];
    for (let from = 1; from <= head; from += 200) {
      const page = await test.chat.store.messages(room, { from, to: from + 199, order: 'asc', limit: 200 });
      history.push(...page.map(({ seq, message, deleted = false, rev = 0 }) => ({ seq, message, deleted, rev })));
    }
    for (const { log } of readers.slice(0, 2)) {
      const applied = [...log].sort(([a], [b]) => a - b).map(([seq, it]) => ({ seq, ...it }));
      assert.deepEqual(applied, history);
    }
  }, 60_000);
});
