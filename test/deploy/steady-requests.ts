import type { Agent } from 'node:http';
import { rest } from '../support/rest.ts';

export interface SteadyRequests {
  readonly count: () => number;
  /** Resolves with one line per request that failed; none was tried again. */
  stop(): Promise<string[]>;
}

/** Readers and writers that ask without a pause, half of them over kept connections. */
export function startRequests(url: string, token: string, room: string, agent: Agent): SteadyRequests {
  let running = true;
  let count = 0;
  const failures: string[] = [];
  const lines = [`GET /v1/chat/rooms/${room}/messages?limit=5`, `POST /v1/chat/rooms/${room}/messages`];
  const loops = [agent, agent, undefined, undefined].map(async (kept, n) => {
    for (let i = 0; running; i += 1) {
      const line = lines[(n + i) % lines.length] ?? '';
      const body = line.startsWith('POST') ? { body: { message: `request ${n} ${i}` } } : {};
      const way = kept ? 'kept connection' : 'own connection';
      try {
        const { status } = await rest(url, line, { token, ...body, ...(kept ? { agent: kept } : {}) });
        if (status >= 400) failures.push(`${line}: ${status}, ${way}`);
      } catch (error) {
        failures.push(`${line}: ${String(error)}, ${way}`);
      }
      count += 1;
    }
  });
  return {
    count: () => count,
    async stop() {
      running = false;
      await Promise.all(loops);
      return failures;
    },
  };
}
