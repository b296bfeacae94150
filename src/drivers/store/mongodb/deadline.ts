import { Overdue } from './store-failure.ts';

/** Rejects with {@link Overdue} after `ms`, whatever becomes of `work`, whose own end is then of no interest. */
export function withDeadline<R>(work: PromiseLike<R>, ms: number): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Overdue(`not done within ${ms} ms`)), ms);
    work.then(
      (result) => {
        clearTimeout(timer);
        resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
