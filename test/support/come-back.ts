import type { RawClient } from './raw-client.ts';

/** What a client waits that was sent away, when the answer does not say. */
const AGAIN_MS = 1000;
const GIVE_UP_MS = 60_000;

/** As a client does that knows nothing but the protocol: tries until it is in, then asks for what it missed. */
export async function comeBack(client: RawClient): Promise<void> {
  for (const giveUpAt = performance.now() + GIVE_UP_MS; ; ) {
    const attempt = await client.connect();
    if (attempt === 'in' && (await client.catchUp())) return;
    if (performance.now() > giveUpAt) throw new Error(`${client.name} does not come in: ${client.refusals}`);
    const [, after] = /retry-after (\d+)/.exec(attempt) ?? [];
    const waitMs = (after === undefined ? AGAIN_MS : Number(after) * 1000) * (1 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Connections under way at a time while a test sets itself up. */
const AT_ONCE = 50;

export async function comeInOrderly(clients: readonly RawClient[]): Promise<void> {
  for (let from = 0; from < clients.length; from += AT_ONCE) {
    await Promise.all(clients.slice(from, from + AT_ONCE).map((it) => comeBack(it)));
  }
}
