/** What this browser remembers. Where storage is forbidden, the page works and forgets. */
export function remember(key: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(`parley:${key}`);
    else localStorage.setItem(`parley:${key}`, JSON.stringify(value));
  } catch {
    // A full or forbidden storage only means that this is asked for again.
  }
}

export function recall(key: string): unknown {
  try {
    const kept = localStorage.getItem(`parley:${key}`);
    return kept === null ? undefined : JSON.parse(kept);
  } catch {
    return undefined;
  }
}

export interface Session {
  readonly token: string;
}

export function recallSession(): Session | undefined {
  const kept = recall('session');
  return typeof kept === 'object' && kept !== null && 'token' in kept && typeof kept.token === 'string'
    ? { token: kept.token }
    : undefined;
}

/** A record of numbers, whatever was kept. */
export function recallNumbers(key: string): Map<string, number> {
  const kept = recall(key);
  const entries = typeof kept === 'object' && kept !== null ? Object.entries(kept) : [];
  return new Map(entries.filter((it): it is [string, number] => typeof it[1] === 'number'));
}

/** A record of texts, whatever was kept. */
export function recallTexts(key: string): Map<string, string> {
  const kept = recall(key);
  const entries = typeof kept === 'object' && kept !== null ? Object.entries(kept) : [];
  return new Map(entries.filter((it): it is [string, string] => typeof it[1] === 'string'));
}
