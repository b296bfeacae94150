/** What comes in between two looks is held back beyond the limit. */
const SCAN_MS = 250;

/** Of a socket, what is looked at. */
export interface Guarded {
  readonly socket: {
    readonly conn: {
      readonly transport: object;
      on(event: 'flush', listener: () => void): unknown;
      once(event: 'close', listener: () => void): unknown;
    };
  };
}

export interface UnreadLimits {
  readonly bytes: number;
  readonly ms: number;
}

/** What Engine.IO holds back for this connection. Its buffer is private and has no other way to be asked. */
function waitingPackets({ socket: { conn } }: Guarded): unknown[] {
  const packets: unknown = Reflect.get(conn, 'writeBuffer');
  return Array.isArray(packets) ? packets : [];
}

/** What was handed to the WebSocket and has not left the process; 0 for a polling client. */
function bytesUnderWay({ socket: { conn } }: Guarded): number {
  const webSocket: unknown = Reflect.get(conn.transport, 'socket');
  const bytes: unknown =
    typeof webSocket === 'object' && webSocket !== null ? Reflect.get(webSocket, 'bufferedAmount') : 0;
  return typeof bytes === 'number' ? bytes : 0;
}

function packetBytes(packet: unknown): number {
  if (typeof packet !== 'object' || packet === null) return 0;
  const { data, options } = packet as { data?: unknown; options?: { wsPreEncodedFrame?: readonly Uint8Array[] } };
  const frame = options?.wsPreEncodedFrame?.reduce((sum, it) => sum + it.byteLength, 0);
  return frame ?? (typeof data === 'string' ? data.length : data instanceof Uint8Array ? data.byteLength : 1);
}

interface Progress {
  /** How often the connection took what was waiting. */
  flushes: number;
  seenFlushes: number;
  stuckSince: number | undefined;
  /** At the last look there was more than may be. */
  isOver: boolean;
}

/**
 * Cuts sockets that do not read: what is held back for them is counted here, because pongs prove nothing. A connection is
 * stuck while something waits and nothing of it is taken; a busy one that reads always has something waiting, too.
 * What a cut client has not got is dropped: it is told to resume.
 */
export class UnreadGuard<S extends Guarded> {
  readonly #limits: UnreadLimits;
  readonly #cut: (session: S) => void;
  readonly #progress = new Map<S, Progress>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: UnreadLimits, cut: (session: S) => void) {
    this.#limits = limits;
    this.#cut = cut;
    this.#timer = setInterval(() => this.#scan(), Math.min(SCAN_MS, limits.ms / 4));
    this.#timer.unref();
  }

  watch(session: S): void {
    const { conn } = session.socket;
    const progress: Progress = { flushes: 0, seenFlushes: 0, stuckSince: undefined, isOver: false };
    this.#progress.set(session, progress);
    conn.on('flush', () => {
      progress.flushes += 1;
    });
    conn.once('close', () => this.#progress.delete(session));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #scan(): void {
    const now = performance.now();
    for (const [session, progress] of [...this.#progress]) {
      const waiting = waitingPackets(session);
      const bytes = waiting.reduce<number>((sum, it) => sum + packetBytes(it), bytesUnderWay(session));
      const moved = progress.flushes !== progress.seenFlushes;
      progress.seenFlushes = progress.flushes;
      if (bytes === 0 || moved) progress.stuckSince = undefined;
      // Large pages go out at once: who reads them has done so by the next look.
      const wasOver = progress.isOver;
      progress.isOver = bytes > this.#limits.bytes;
      if (bytes === 0) continue;
      progress.stuckSince ??= now;
      const isTooMuch = wasOver && progress.isOver;
      if (!isTooMuch && now - progress.stuckSince < this.#limits.ms) continue;
      this.#progress.delete(session);
      waiting.length = 0;
      this.#cut(session);
    }
  }
}
