import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A server of one's own on loopback that stands between a client and an engine, and does to their traffic what networks do. */
export interface TcpProxy {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** From now on each chunk arrives so much later, both ways; their order stays. */
  delay(ms: number): void;
  /** Nothing passes, nothing is refused: what is sent waits for {@link thaw}. */
  freeze(): void;
  thaw(): void;
  /** Resets every connection; new ones are taken. */
  cut(): void;
  /**
   * What clients send arrives, what comes back is thrown away, until {@link heal}: whatever was asked is done, and nobody
   * hears of it. A connection that has lost an answer is of no use afterwards and is reset by {@link heal}.
   */
  swallowReplies(): void;
  /** New connections are reset at once, as where nothing listens; old ones as well. */
  refuse(): void;
  /** As at the start. */
  heal(): void;
  /** Resolves once the next chunk of a client that contains `text` has been passed on. */
  passed(text: string): Promise<void>;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly engine: Socket;
  hasLost: boolean;
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let watchers: { readonly text: string; readonly seen: () => void }[] = [];
  let delayMs = 0;
  let isFrozen = false;
  let isSwallowing = false;
  let isRefusing = false;

  const server = createServer((client) => {
    if (isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const pair: Pair = { client, engine: connect(target.port, target.host), hasLost: false };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      pair.engine.destroy();
    };
    for (const socket of [client, pair.engine]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
      if (isFrozen) socket.pause();
    }
    client.on('data', (chunk) => later(() => pass(pair, chunk)));
    pair.engine.on('data', (chunk) => {
      if (isSwallowing) pair.hasLost = true;
      else if (!pair.hasLost) later(() => client.writable && client.write(chunk));
    });
  });

  const later = (send: () => void): void => {
    if (delayMs > 0) setTimeout(send, delayMs);
    else send();
  };
  const pass = ({ engine }: Pair, chunk: Buffer): void => {
    if (engine.writable) engine.write(chunk);
    const seen = watchers.filter(({ text }) => chunk.includes(text));
    watchers = watchers.filter((it) => !seen.includes(it));
    for (const it of seen) it.seen();
  };
  const cut = (some: Iterable<Pair>): void => {
    for (const { client, engine } of [...some]) {
      client.resetAndDestroy();
      engine.destroy();
    }
  };
  const thaw = (): void => {
    isFrozen = false;
    for (const { client, engine } of pairs) {
      client.resume();
      engine.resume();
    }
  };

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  return {
    port: address.port,
    get connections() {
      return pairs.size;
    },
    delay: (ms) => {
      delayMs = ms;
    },
    freeze: () => {
      isFrozen = true;
      for (const { client, engine } of pairs) {
        client.pause();
        engine.pause();
      }
    },
    thaw,
    cut: () => cut(pairs),
    swallowReplies: () => {
      isSwallowing = true;
    },
    refuse: () => {
      isRefusing = true;
      cut(pairs);
    },
    heal: () => {
      delayMs = 0;
      isSwallowing = false;
      isRefusing = false;
      cut([...pairs].filter((it) => it.hasLost));
      thaw();
    },
    passed: (text) => new Promise((resolve) => watchers.push({ text, seen: resolve })),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      cut(pairs);
      await closed;
    },
  };
}
