import { tryAgain } from '../../../chat/errors.ts';
import type { RoomId } from '../../../chat/model.ts';
import type { Bus, BusListener, NodeEvent, RoomEvent } from '../../../chat/ports/bus.ts';
import type { Clock } from '../../../chat/ports/clock.ts';
import type { Log } from '../../../chat/ports/log.ts';
import type { Reach } from '../../../platform/reach.ts';
import type { RedisConnection } from '../../../platform/redis-connection.ts';
import { OtherNodes } from './other-nodes.ts';

const BEAT_MS = 500;
/** So many of its own beats in a row are not heard, and the bus is away. */
const MISSED_BEATS = 2;
/** While the bus is away everybody compares with the store once in so many beats: every second. */
const BEATS_PER_SUSPICION = 2;
/** Whoever subscribes waits no longer; what it may have missed by then is found by a comparison. */
const SUBSCRIBE_MS = 500;
/** What may be on its way to Redis, in characters; what comes on top is lost. */
const MAX_UNDER_WAY = 8 * 1024 * 1024;

export interface RedisBusOptions {
  readonly connection: RedisConnection;
  /** Begins the names of all channels. */
  readonly key: string;
  /** Another one for each process; without spaces. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds. */
  readonly beatMs?: number;
}

/** In events. */
export interface RedisBusCounts {
  /** Taken by Redis. */
  published: number;
  /** Dropped, refused, or perhaps not taken. */
  lost: number;
  /** Of other nodes, handed on. */
  heard: number;
  /** Texts that came back to the node that said them: the price of hearing a room. */
  echoes: number;
}

/**
 * Fan-out over Redis: a sharded channel per room, heard by the nodes that follow the room, and one for all nodes. All that
 * a node says goes over one connection and arrives in the order in which it was said; events for one channel that are said
 * in a row within one turn of the event loop are one text: `node e[event,…]`.
 *
 * What can get lost, and who finds out: Redis loses nothing between two connections that hold. A listener whose connection
 * breaks knows; it tells `onSuspect` when everything is subscribed again. A speaker whose text was refused, dropped or left
 * without an answer counts it, and its beats carry the count: who sees it rise, tells `onSuspect`. So also a room's last
 * message is missed by nobody, and no counts per room are needed.
 *
 * Beats: `node b<number> <lost>` on the channel of all nodes. Its own beats show a node that the whole way works: a frozen
 * Redis gives no error. They are counted and not timed, so that a process which was busy does not blame Redis. A node whose
 * beats stop without a `q` has died, perhaps between storing and telling.
 */
export class RedisBus implements Bus {
  readonly counts: RedisBusCounts = { published: 0, lost: 0, heard: 0, echoes: 0 };
  readonly #connection: RedisConnection;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #beatMs: number;
  readonly #node: string;
  readonly #nodesChannel: string;
  readonly #roomPrefix: string;
  readonly #rooms = new Set<RoomId>();
  readonly #others = new OtherNodes();
  #listener: BusListener | undefined;
  #reach: Reach = 'never';
  #said: { readonly channel: string; readonly events: string[] }[] = [];
  #underWay = 0;
  #beat = 0;
  #ownBeat = 0;
  #beatsAway = 0;
  #cancelTick: () => void;
  #closed = false;

  constructor({ connection, key, node, clock, log, beatMs = BEAT_MS }: RedisBusOptions) {
    this.#connection = connection;
    this.#clock = clock;
    this.#log = log;
    this.#beatMs = beatMs;
    this.#node = node;
    this.#nodesChannel = `${key}:nodes`;
    this.#roomPrefix = `${key}:room:`;
    connection.onReach((reach) => (reach === 'here' ? this.#sendBeat() : this.#lose()));
    connection.subscriber.listen({
      onMessage: (channel, text) => this.#hear(channel, text),
      onLost: () => this.#lose(),
      onComplete: () => this.#sendBeat(),
    });
    connection.subscriber.add([this.#nodesChannel]).then(
      () => this.#sendBeat(),
      () => {}, // it goes on by itself
    );
    this.#cancelTick = clock.after(beatMs, () => this.#tick());
  }

  /** Whether this node hears what is said over Redis. */
  get reach(): Reach {
    return this.#reach;
  }

  listen(listener: BusListener): void {
    this.#listener = listener;
  }

  async subscribe(rooms: readonly RoomId[]): Promise<void> {
    if (this.#isClosed()) throw tryAgain('the bus');
    if (rooms.length === 0) return;
    for (const room of rooms) this.#rooms.add(room);
    let waiting = true;
    const subscribed = this.#connection.subscriber.add(rooms.map((room) => this.#roomPrefix + room)).then(
      () => {
        if (!waiting) this.#suspect();
      },
      () => {}, // told when everything is subscribed again
    );
    if (this.#reach === 'here') await Promise.race([subscribed, this.#sleep(SUBSCRIBE_MS)]);
    waiting = false;
  }

  unsubscribe(room: RoomId): void {
    if (this.#rooms.delete(room)) this.#connection.subscriber.delete(this.#roomPrefix + room);
  }

  publish(room: RoomId, event: RoomEvent): void {
    this.#say(this.#roomPrefix + room, event);
  }

  broadcast(event: NodeEvent): void {
    this.#say(this.#nodesChannel, event);
  }

  /** Says goodbye: nobody takes this node for dead. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#cancelTick();
    const channels = [this.#nodesChannel, ...[...this.#rooms].map((room) => this.#roomPrefix + room)];
    for (const channel of channels) this.#connection.subscriber.delete(channel);
    const goodbye = `${this.#node} q${this.#beat} ${this.counts.lost}`;
    await this.#connection.ask((client) => client.spublish(this.#nodesChannel, goodbye)).catch(() => {});
  }

  #isClosed(): boolean {
    return this.#closed || this.#connection.closed;
  }

  #say(channel: string, event: RoomEvent | NodeEvent): void {
    // Nothing is kept for later: the store has it.
    if (this.#closed || this.#connection.reach !== 'here') {
      this.counts.lost += 1;
      return;
    }
    const text = JSON.stringify(event);
    const last = this.#said.at(-1);
    if (last?.channel === channel) last.events.push(text);
    else if (this.#said.push({ channel, events: [text] }) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const said = this.#said;
    this.#said = [];
    this.#connection.together(() => {
      for (const { channel, events } of said) this.#send(channel, events);
    });
  }

  #send(channel: string, events: readonly string[]): void {
    const text = `${this.#node} e[${events.join(',')}]`;
    if (this.#underWay + text.length > MAX_UNDER_WAY) {
      this.counts.lost += events.length;
      return;
    }
    this.#underWay += text.length;
    const settle = (count: 'published' | 'lost') => () => {
      this.#underWay -= text.length;
      this.counts[count] += events.length;
    };
    this.#connection.tell((client) => client.spublish(channel, text)).then(settle('published'), settle('lost'));
  }

  #hear(channel: string, text: string): void {
    if (this.#closed) return;
    const space = text.indexOf(' ');
    const from = text.slice(0, space);
    const kind = text[space + 1];
    const body = text.slice(space + 2);
    if (from === this.#node) {
      if (kind === 'b') this.#hearOwnBeat(Number.parseInt(body, 10));
      else this.counts.echoes += 1;
    } else if (kind === 'e') {
      this.#hearEvents(channel, body);
    } else if (channel === this.#nodesChannel && (kind === 'b' || kind === 'q')) {
      const lost = Number(body.split(' ')[1]);
      const hasLost = kind === 'b' ? this.#others.beat(from, lost) : this.#others.leave(from, lost);
      if (hasLost) this.#suspect();
    }
  }

  #hearEvents(channel: string, body: string): void {
    let events: [];
    try {
      events = JSON.parse(body);
      if (!Array.isArray(events)) throw new TypeError('no list of events');
    } catch (cause) {
      this.#log.warn('something that is no event was heard over Redis', { channel, cause });
      return;
    }
    if (channel === this.#nodesChannel) {
      for (const event of events) this.#listener?.onNode(event);
    } else {
      const room = channel.slice(this.#roomPrefix.length);
      if (!channel.startsWith(this.#roomPrefix) || !this.#rooms.has(room)) return;
      for (const event of events) this.#listener?.onRoom(room, event);
    }
    this.counts.heard += events.length;
  }

  #hearOwnBeat(beat: number): void {
    this.#ownBeat = beat;
    if (this.#reach === 'here' || !this.#connection.subscriber.complete) return;
    this.#log.info('the bus is here');
    this.#reach = 'here';
    this.#others.forgive();
    this.#suspect();
  }

  #tick(): void {
    if (this.#isClosed()) return;
    this.#cancelTick = this.#clock.after(this.#beatMs, () => this.#tick());
    if (this.#beat - this.#ownBeat >= MISSED_BEATS) this.#lose();
    if (this.#reach === 'here') {
      if (this.#others.age()) this.#suspect();
    } else {
      this.#beatsAway += 1;
      if (this.#beatsAway % BEATS_PER_SUSPICION === 0) this.#suspect();
    }
    this.#sendBeat();
  }

  #sendBeat(): void {
    if (this.#closed || this.#connection.reach !== 'here') return;
    this.#beat += 1;
    const text = `${this.#node} b${this.#beat} ${this.counts.lost}`;
    this.#connection.tell((client) => client.spublish(this.#nodesChannel, text)).catch(() => {});
  }

  #lose(): void {
    if (this.#reach !== 'here' || this.#isClosed()) return;
    this.#log.warn('the bus is away: other nodes are heard by way of the store');
    this.#reach = 'away';
    this.#beatsAway = 0;
    this.#suspect();
  }

  #suspect(): void {
    if (!this.#closed) this.#listener?.onSuspect();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}
