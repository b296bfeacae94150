import { authenticate, tokenHashOf } from './authenticate.ts';
import type { Chat } from './chat.ts';
import { ChatError } from './errors.ts';
import type { Account } from './model.ts';
import type { NodeEvent } from './ports/bus.ts';

/** A timer takes at most this; longer lives are waited for in parts. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** An account service that is away is asked again after this; sockets stay meanwhile. */
const AWAY_RETRY_MS = 5000;

export type TokenEnd = 'expired' | 'revoked';

interface Watched {
  readonly token: string;
  account: Account;
  readonly holders: Set<(end: TokenEnd) => void>;
  cancelCheck: () => void;
  cancelExpiry: () => void;
}

/**
 * Tokens of live sockets: each is validated again every `revalidateMs` past the cache, once per token however many
 * sockets hold it, and ends at its expiry or at a revocation.
 */
export class TokenWatch {
  readonly #chat: Pick<Chat, 'accounts' | 'store' | 'clock' | 'log'>;
  readonly #revalidateMs: number;
  readonly #watched = new Map<string, Watched>();

  constructor(chat: Pick<Chat, 'accounts' | 'store' | 'clock' | 'log'>, revalidateMs: number) {
    this.#chat = chat;
    this.#revalidateMs = revalidateMs;
  }

  /** `ended` is called once when the token ends. The returned function lets go. */
  hold(token: string, account: Account, ended: (end: TokenEnd) => void): () => void {
    const hash = tokenHashOf(token);
    let watched = this.#watched.get(hash);
    if (!watched) {
      watched = { token, account, holders: new Set(), cancelCheck: () => {}, cancelExpiry: () => {} };
      this.#watched.set(hash, watched);
      this.#checkAfter(hash, watched, this.#revalidateMs);
    }
    watched.account = account;
    this.#expireAt(hash, watched);
    const { holders } = watched;
    holders.add(ended);
    return () => {
      holders.delete(ended);
      // Not what others hold by now: the token may have ended here and be held anew.
      if (holders.size === 0 && this.#watched.get(hash) === watched) this.#forget(hash);
    };
  }

  /** Cuts at once who a revocation event names. */
  apply(event: Extract<NodeEvent, { kind: 'revoked' }>): void {
    const { user, tokenHash } = event;
    this.#chat.accounts.forget({
      ...(user === undefined ? {} : { user }),
      ...(tokenHash === undefined ? {} : { tokenHash }),
    });
    for (const [hash, { account }] of [...this.#watched]) {
      if (hash === tokenHash || (user !== undefined && account.user === user)) this.#end(hash, 'revoked');
    }
  }

  #checkAfter(hash: string, watched: Watched, delayMs: number): void {
    watched.cancelCheck = this.#chat.clock.after(delayMs, () => {
      authenticate(this.#chat, watched.token, { fresh: true }).then(
        (account) => {
          if (this.#watched.get(hash) !== watched) return;
          watched.account = account;
          this.#expireAt(hash, watched);
          this.#checkAfter(hash, watched, this.#revalidateMs);
        },
        (cause: unknown) => {
          if (this.#watched.get(hash) !== watched) return;
          if (cause instanceof ChatError && !cause.retry) {
            const { expiresAt } = watched.account;
            const expired = expiresAt !== undefined && expiresAt <= this.#chat.clock.now();
            this.#end(hash, expired ? 'expired' : 'revoked');
            return;
          }
          this.#chat.log.warn('a token could not be checked again; its sockets stay', { user: watched.account.user });
          this.#checkAfter(hash, watched, AWAY_RETRY_MS);
        },
      );
    });
  }

  #expireAt(hash: string, watched: Watched): void {
    watched.cancelExpiry();
    const { expiresAt } = watched.account;
    if (expiresAt === undefined) return;
    const leftMs = Math.max(0, expiresAt - this.#chat.clock.now());
    watched.cancelExpiry = this.#chat.clock.after(Math.min(leftMs, TIMER_MAX_MS), () => {
      if (leftMs > TIMER_MAX_MS) this.#expireAt(hash, watched);
      else this.#end(hash, 'expired');
    });
  }

  #end(hash: string, end: TokenEnd): void {
    const holders = this.#watched.get(hash)?.holders ?? [];
    this.#forget(hash);
    for (const ended of [...holders]) ended(end);
  }

  #forget(hash: string): void {
    const watched = this.#watched.get(hash);
    watched?.cancelCheck();
    watched?.cancelExpiry();
    this.#watched.delete(hash);
  }
}
