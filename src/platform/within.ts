/** Rejects when `work` is not done within `ms`, whatever becomes of it then. */
export async function within<T>(
  ms: number,
  work: PromiseLike<T>,
  late = (): Error => new Error(`not done within ${Math.round(ms)} ms`),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), Math.max(0, ms));
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
