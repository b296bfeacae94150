import type { Session } from './session.ts';

const SCAN_MS = 1000;

export interface UnreadLimits {
  readonly bytes: number;
  readonly ms: number;
}

/** Bytes that Engine.IO holds back for this connection. Its buffer is private and has no other way to be asked. */
function unreadBytes(session: Session): number {
  const packets: unknown = Reflect.get(session.socket.conn, 'writeBuffer');
  return Array.isArray(packets) ? packets.reduce<number>((sum, packet) => sum + packetBytes(packet), 0) : 0;
}

function packetBytes(packet: unknown): number {
  const data: unknown = typeof packet === 'object' && packet !== null && 'data' in packet ? packet.data : undefined;
  if (typeof data === 'string') return data.length;
  return data instanceof Uint8Array ? data.byteLength : 1;
}

/**
 * Cuts sockets that do not read: what Engine.IO holds back for them is counted here, because pongs prove nothing and the
 * operating system's own figure stays near zero. Whoever is cut is told to resume.
 */
export class UnreadGuard {
  readonly #limits: UnreadLimits;
  readonly #cut: (session: Session) => void;
  readonly #stuckSince = new WeakMap<Session, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: UnreadLimits, sessions: () => Iterable<Session>, cut: (session: Session) => void) {
    this.#limits = limits;
    this.#cut = cut;
    this.#timer = setInterval(() => this.#scan(sessions()), SCAN_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #scan(sessions: Iterable<Session>): void {
    const now = performance.now();
    for (const session of [...sessions]) {
      const bytes = unreadBytes(session);
      if (bytes === 0) {
        this.#stuckSince.delete(session);
        continue;
      }
      const since = this.#stuckSince.get(session) ?? now;
      this.#stuckSince.set(session, since);
      if (bytes > this.#limits.bytes || now - since >= this.#limits.ms) this.#cut(session);
    }
  }
}
