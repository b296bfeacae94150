const POLL_MS = 20;

/**
 * Tries until `attempt` gives something truthy without throwing, and resolves with it; rejects with the last failure
 * when it is not so within `withinMs`.
 */
export async function eventually<T>(what: string, attempt: () => T | Promise<T>, withinMs = 5000): Promise<T> {
  const dueAt = performance.now() + withinMs;
  for (;;) {
    let cause: unknown;
    try {
      const result = await attempt();
      if (result) return result;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= dueAt) throw new Error(`not so within ${withinMs} ms: ${what}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
