import { randomUUID } from 'node:crypto';
import { RedisConnection } from '../../src/platform/redis-connection.ts';
import { eventually } from './eventually.ts';
import { openTcpGate, type TcpGate } from './tcp-gate.ts';

export interface Logged {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: unknown;
}

/** Keeps what is logged. */
export function keptLog() {
  const lines: Logged[] = [];
  const write =
    (level: Logged['level']) =>
    (message: string, fields?: unknown): void =>
      void lines.push({ level, message, fields });
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

export interface RedisNode {
  readonly name: string;
  readonly connection: RedisConnection;
  readonly gate: TcpGate;
  readonly log: ReturnType<typeof keptLog>;
}

export interface RedisNodes {
  /** Begins all names of this test. */
  readonly key: string;
  readonly nodes: readonly RedisNode[];
  at(index: number): RedisNode;
  /** Resolves when every node is connected. */
  ready(): Promise<void>;
  /** As when its process is gone: nobody says goodbye. */
  killNode(index: number): Promise<void>;
  /** Nothing comes through to it or from it until the returned function is called. */
  stallNode(index: number): () => void;
  close(): Promise<void>;
}

/** Nodes of one chat, in one process, each behind a gate of its own. */
export async function openRedisNodes(count: number, url: string): Promise<RedisNodes> {
  const nodes = await Promise.all(
    Array.from({ length: count }, async () => {
      const through = new URL(url);
      const gate = await openTcpGate(Number(through.port));
      through.port = `${gate.port}`;
      const log = keptLog();
      return { name: randomUUID(), connection: RedisConnection.open({ url: through.href, log }), gate, log };
    }),
  );
  const at = (index: number): RedisNode => {
    const node = nodes[index];
    if (!node) throw new Error(`there is no node ${index}`);
    return node;
  };
  return {
    key: `test:${randomUUID()}`,
    nodes,
    at,
    ready: async () => {
      for (const { connection } of nodes) await eventually('Redis is here', () => connection.reach === 'here');
    },
    killNode: (index) => at(index).connection.close(),
    stallNode: (index) => {
      at(index).gate.stall();
      return () => at(index).gate.goOn();
    },
    close: async () => {
      await Promise.all(nodes.map((it) => it.connection.close()));
      await Promise.all(nodes.map((it) => it.gate.close()));
    },
  };
}
