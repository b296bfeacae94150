import { tryAgain } from '../../src/chat/errors.ts';
import type { Change, Head, Message } from '../../src/chat/model.ts';
import type { FeedSource } from '../../src/chat/room-feed.ts';
import { textType } from '../../src/chat/rules/text-type.ts';

export const changeOf = ({ id, chatroom, seq, rev = 0, deleted, message }: Message): Change => ({
  id,
  chatroom,
  seq,
  rev,
  ...(deleted ? {} : { message }),
});

/** A room's log in memory, as a store keeps it. */
export class PlayedLog implements FeedSource {
  readonly room: string;
  readonly #messages = new Map<number, Message>();
  #headSeq = 0;
  #firstSeq = 1;
  #rev = 0;
  /** While true, every read fails. */
  away = false;
  /** Awaited before and after the look at the log. */
  pause: () => Promise<void> = async () => {};
  readonly calls = { messages: 0, changedSince: 0, head: 0 };

  constructor(room = 'room') {
    this.room = room;
  }

  get now(): Head {
    return { headSeq: this.#headSeq, firstSeq: this.#firstSeq, rev: this.#rev, epoch: 'epoch' };
  }

  get kept(): Message[] {
    return [...this.#messages.values()];
  }

  append(text?: string): Message {
    const seq = ++this.#headSeq;
    const message: Message = {
      id: `m${seq}`,
      chatroom: this.room,
      seq,
      owner: 'ana',
      ownerName: 'Ana',
      type: 1,
      message: text ?? `text ${seq}`,
      createdAt: '2026-01-01T00:00:00.000Z',
      meta: { seq },
    };
    this.#messages.set(seq, message);
    return message;
  }

  appendMany(count: number): Message[] {
    return Array.from({ length: count }, () => this.append());
  }

  /** Undefined when the message is gone. */
  edit(seq: number, text = `edit ${this.#rev + 1}`): Change | undefined {
    return this.#change(seq, (it) => ({ ...it, message: text, type: textType(text) }));
  }

  remove(seq: number): Change | undefined {
    return this.#change(seq, ({ meta: _meta, ...kept }) => ({ ...kept, message: '', deleted: true }));
  }

  /** Retention: nothing below `firstSeq` is kept. */
  trim(firstSeq: number): void {
    this.#firstSeq = Math.max(this.#firstSeq, firstSeq);
    for (const seq of this.#messages.keys()) if (seq < this.#firstSeq) this.#messages.delete(seq);
  }

  #change(seq: number, to: (message: Message) => Message): Change | undefined {
    const message = this.#messages.get(seq);
    if (!message || message.deleted) return undefined;
    const next = { ...to(message), rev: ++this.#rev };
    this.#messages.set(seq, next);
    return changeOf(next);
  }

  readonly messages: FeedSource['messages'] = (_room, { from, to, order, limit }) =>
    this.#read('messages', () => {
      const found = this.kept.filter((it) => it.seq >= from && it.seq <= to);
      return (order === 'asc' ? found : found.reverse()).slice(0, limit);
    });

  readonly changedSince: FeedSource['changedSince'] = (_room, rev, limit) =>
    this.#read('changedSince', () =>
      this.kept
        .filter((it) => (it.rev ?? 0) > rev)
        .sort((a, b) => (a.rev ?? 0) - (b.rev ?? 0))
        .slice(0, limit),
    );

  readonly head: FeedSource['head'] = () => this.#read('head', () => this.now);

  async #read<T>(method: keyof PlayedLog['calls'], look: () => T): Promise<T> {
    this.calls[method] += 1;
    await this.pause();
    if (this.away) throw tryAgain('the store');
    const found = look();
    await this.pause();
    return found;
  }
}
