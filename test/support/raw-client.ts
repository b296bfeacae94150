import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { Acked, Witness } from '../../src/verify/check-log.ts';
import { type CaughtUpPage, type LoggedMessage, RoomJournal } from '../../src/verify/room-journal.ts';

const NS = '/v1/channel';
const PATH = '/socket.io/?EIO=4&transport=websocket';
const EVENT = `42${NS},`;
const ACK = `43${NS},`;
const MESSAGE = `${EVENT}["message",`;
/** Of a message in a frame: as far as its seq. */
const HEAD_CHARS = 220;
const SEQ = /"seq":(\d+)/;
const ATTEMPT_MS = 30_000;
const ACK_MS = 10_000;
const PAGE = 200;

export interface RawAck {
  readonly error: number;
  readonly code?: string;
  readonly retry?: boolean;
  readonly id?: string;
  readonly seq?: number;
  readonly rooms?: Readonly<Record<string, CaughtUpPage & { readonly error?: number }>>;
}

/** How an attempt to connect ended: `in`, a status with its `Retry-After`, or how the connection went. */
export type Attempt = 'in' | `${number} retry-after ${string}` | 'closed' | 'refused by the socket' | `error ${string}`;

type Live = LoggedMessage & { readonly chatroom: string };

const copies = new Map<string, LoggedMessage>();

/** Lists of the same messages share them: a list of its own per client does not fit into memory in a long run. */
function oneCopyOf({ id, seq, message, clientId }: LoggedMessage): LoggedMessage {
  const found = copies.get(id);
  if (found && found.seq === seq && found.message === message && found.clientId === clientId) return found;
  const copy = { id, seq, message, clientId };
  if (!found) copies.set(id, copy);
  return copy;
}

/**
 * A Socket.IO client made of a bare WebSocket. It costs so little that a thousand fit beside the server under test, and it
 * does nothing by itself: whoever drives it says when it connects, catches up and stops reading.
 */
export class RawClient {
  readonly acked: Acked[] = [];
  /** How each attempt ended that did not lead in. */
  readonly refusals: Attempt[] = [];
  /** When the connection ended, monotonic milliseconds; not by {@link close}. */
  readonly cuts: number[] = [];
  /** Events pushed besides messages, by name. */
  readonly heard = new Map<string, number>();
  /** Called for each live message that is kept. */
  onLive: (message: Live) => void = () => {};
  /** Called when a connection ends that was not closed here. */
  onCut: () => void = () => {};
  /** Worker of the connection. */
  node = '';
  readonly name: string;
  readonly #url: string;
  readonly #token: string;
  readonly #journals = new Map<string, RoomJournal>();
  /** Messages that were only counted: rooms that are not kept. */
  readonly #counts = new Map<string, { received: number; lastSeq: number; gaps: number }>();
  readonly #acks = new Map<number, (ack: RawAck | undefined) => void>();
  #socket: WebSocket | undefined;
  #nextAck = 0;
  #isIn = false;
  #closed = false;

  /** `kept` rooms are journalled message by message, any other one is only counted, which costs a tenth. */
  constructor(url: string, token: string, name: string, kept: readonly string[]) {
    this.name = name;
    this.#url = `${url.replace('http', 'ws')}${PATH}`;
    this.#token = token;
    for (const room of kept) this.#journals.set(room, new RoomJournal());
  }

  get isIn(): boolean {
    return this.#isIn;
  }

  lengthOf(room: string): number {
    return this.#journals.get(room)?.applied.length ?? 0;
  }

  countsOf(room: string): { received: number; lastSeq: number; gaps: number } {
    const counts = this.#counts.get(room) ?? { received: 0, lastSeq: 0, gaps: 0 };
    this.#counts.set(room, counts);
    return counts;
  }

  witnessOf(room: string): Witness {
    const journal = this.#journals.get(room);
    return { name: this.name, acked: this.acked, applied: journal?.applied, faults: journal?.faults ?? [] };
  }

  /** One attempt. */
  async connect(): Promise<Attempt> {
    const attempt = await this.#attempt();
    if (attempt !== 'in') this.refusals.push(attempt);
    return attempt;
  }

  /** Asks for what was missed in every room that is kept, until nothing is missing; false when the connection ended. */
  async catchUp(): Promise<boolean> {
    let behind = [...this.#journals.keys()];
    while (behind.length > 0) {
      const rooms = Object.fromEntries(behind.map((it) => [it, this.#journals.get(it)?.cursor ?? 0]));
      const ack = await this.call('resume', { rooms, limit: PAGE });
      if (ack?.error !== 0) return false;
      behind = behind.filter((room) => {
        const page = ack.rooms?.[room];
        if (!page || page.error !== undefined) return false;
        this.#journals.get(room)?.caughtUp({ ...page, messages: page.messages.map(oneCopyOf) });
        return page.hasMore;
      });
    }
    return true;
  }

  /** Undefined when no ack came. */
  call(event: string, payload: unknown): Promise<RawAck | undefined> {
    const socket = this.#socket;
    if (!this.#isIn || !socket) return Promise.resolve(undefined);
    this.#nextAck += 1;
    const id = this.#nextAck;
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(undefined), ACK_MS);
      const settle = (ack: RawAck | undefined): void => {
        clearTimeout(timer);
        this.#acks.delete(id);
        resolve(ack);
      };
      this.#acks.set(id, settle);
      socket.send(`${EVENT}${id}${JSON.stringify([event, payload])}`);
    });
  }

  /** One attempt to send; what has no clear answer may be sent again under the same clientId. */
  async send(room: string, message: string, clientId: string): Promise<RawAck | undefined> {
    const ack = await this.call('message', { chatroom: room, message, clientId });
    if (ack?.error === 0) this.acked.push({ room, clientId, id: ack.id ?? '', seq: ack.seq ?? 0 });
    return ack;
  }

  /** Stops reading, so that the server's output piles up. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** A pong, whether a ping came or not. */
  pong(): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('3');
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  #attempt(): Promise<Attempt> {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false, handshakeTimeout: ATTEMPT_MS });
    this.#socket = socket;
    for (const journal of this.#journals.values()) journal.beginConnection();
    for (const counts of this.#counts.values()) counts.lastSeq = 0;
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.terminate(), ATTEMPT_MS);
      const settle = (attempt: Attempt): void => {
        clearTimeout(timer);
        resolve(attempt);
      };
      socket.on('unexpected-response', (_request, answer: IncomingMessage) => {
        answer.resume();
        settle(`${answer.statusCode ?? 0} retry-after ${answer.headers['retry-after'] ?? 'none'}`);
        socket.terminate();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => settle(`error ${error.code ?? error.message}`));
      socket.on('close', () => {
        settle('closed');
        if (socket !== this.#socket) return;
        const wasIn = this.#isIn;
        this.#isIn = false;
        for (const end of [...this.#acks.values()]) end(undefined);
        if (!wasIn || this.#closed) return;
        this.cuts.push(performance.now());
        this.onCut();
      });
      socket.on('message', (data: Buffer) => {
        const packet = data.toString('latin1', 0, HEAD_CHARS);
        if (packet.startsWith(MESSAGE)) this.#take(data, packet);
        else if (packet === '2') socket.send('3');
        else if (packet.startsWith('0')) socket.send(`40${NS},${JSON.stringify({ token: this.#token, batch: true })}`);
        else if (packet.startsWith(`40${NS}`)) {
          this.#isIn = true;
          settle('in');
        } else if (packet.startsWith(`44${NS}`)) settle('refused by the socket');
        else if (packet.startsWith(ACK)) this.#takeAck(data.toString());
        else if (packet.startsWith(EVENT)) this.#takeEvent(data, packet);
      });
    });
  }

  #take(data: Buffer, head: string): void {
    const [, room = ''] = /"chatroom":"([^"]+)"/.exec(head) ?? [];
    const journal = this.#journals.get(room);
    if (journal) {
      const [, message]: [string, Live] = JSON.parse(data.toString('utf8', EVENT.length));
      journal.live(oneCopyOf(message));
      this.onLive(message);
      return;
    }
    const seq = Number(SEQ.exec(head)?.[1] ?? 0);
    const counts = this.countsOf(room);
    counts.received += 1;
    if (counts.lastSeq > 0 && seq !== counts.lastSeq + 1) counts.gaps += 1;
    counts.lastSeq = seq;
  }

  #takeAck(packet: string): void {
    const start = packet.indexOf('[');
    const id = Number(packet.slice(ACK.length, start));
    const [ack]: [RawAck] = JSON.parse(packet.slice(start));
    this.#acks.get(id)?.(ack);
  }

  #takeEvent(data: Buffer, head: string): void {
    const name = /^\["([^"]+)"/.exec(head.slice(EVENT.length))?.[1] ?? '';
    this.heard.set(name, (this.heard.get(name) ?? 0) + 1);
    if (name !== 'authentication') return;
    const [, { node }]: [string, { node: string }] = JSON.parse(data.toString('utf8', EVENT.length));
    this.node = node;
  }
}
