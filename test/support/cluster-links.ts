import { errorCodec, tryAgain } from '../../src/chat/errors.ts';
import { type Channel, channelPair, Link, type LinkOptions } from '../../src/platform/link.ts';

export const testLinkOptions: LinkOptions = {
  errors: errorCodec,
  deadlineMs: 4500,
  away: () => tryAgain('the main process'),
};

/** A channel whose receiver can stop reading: what is sent meanwhile waits, as in a full pipe. */
export class StallableChannel implements Channel {
  readonly #channel: Channel;
  #stalled = false;
  #waiting: (() => void)[] = [];

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Batches that wait for the receiver. */
  get waiting(): number {
    return this.#waiting.length;
  }

  stall(): void {
    this.#stalled = true;
  }

  goOn(): void {
    this.#stalled = false;
    for (const send of this.#waiting.splice(0)) send();
  }

  send(message: unknown, sent: (failed: boolean) => void): void {
    // Copied now: the sender may change what it said.
    const copy: unknown = structuredClone(message);
    if (this.#stalled) this.#waiting.push(() => this.#channel.send(copy, sent));
    else this.#channel.send(copy, sent);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#channel.onMessage(listener);
  }

  onClose(listener: () => void): void {
    this.#channel.onClose(listener);
  }
}

export interface ClusterNode {
  readonly link: Link;
  /** From the node to the primary. */
  readonly up: StallableChannel;
  /** From the primary to the node. */
  readonly down: StallableChannel;
}

/** What the primary keeps for its workers. */
export interface PrimaryPart {
  attach(link: Link): void;
  detach?(link: Link): void;
}

export interface ClusterLinks {
  readonly nodes: readonly ClusterNode[];
  /** As when its process is gone: what it said last may still arrive afterwards. */
  readonly killNode: (index: number) => void;
  /** The node reads nothing until the returned function is called. */
  readonly stallNode: (index: number) => () => void;
  readonly close: () => void;
}

/** A primary with `count` workers in one process. */
export function openClusterLinks(count: number, part: PrimaryPart): ClusterLinks {
  const ends = Array.from({ length: count }, () => {
    const [a, b] = channelPair();
    const down = new StallableChannel(a);
    const up = new StallableChannel(b);
    const primary = new Link(down, testLinkOptions);
    part.attach(primary);
    return { link: new Link(up, testLinkOptions), primary, up, down };
  });
  const at = (index: number) => {
    const end = ends[index];
    if (!end) throw new Error(`there is no node ${index}`);
    return end;
  };
  return {
    nodes: ends,
    killNode: (index) => {
      const { primary, link } = at(index);
      primary.close();
      part.detach?.(primary);
      link.close();
    },
    stallNode: (index) => {
      at(index).down.stall();
      return () => at(index).down.goOn();
    },
    close: () => {
      for (const { link, primary } of ends) {
        link.close();
        primary.close();
      }
    },
  };
}
