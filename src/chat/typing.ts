import type { Chat } from './chat.ts';
import type { Account, RoomId } from './model.ts';
import { memberRoom } from './rules/access.ts';
import { SlidingWindow } from './sliding-window.ts';

/**
 * Who is typing: best effort, never stored. Throttled on the node that hears it (a shared count would cost more than the
 * event), and off by itself when nothing more is heard.
 */
export class Typing {
  readonly #chat: Chat;
  readonly #window = new SlidingWindow();
  readonly #off = new Map<string, () => void>();

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  async show(caller: Account, room: RoomId, status: 0 | 1): Promise<void> {
    await memberRoom(this.#chat, caller, room);
    const key = JSON.stringify([room, caller.user]);
    const { clock, settings } = this.#chat;
    if (status === 1 && !this.#window.take(key, settings.typing, clock.now()).ok) return;
    this.#off.get(key)?.();
    this.#off.delete(key);
    if (status === 1) {
      this.#off.set(
        key,
        clock.after(settings.typingMs, () => {
          this.#off.delete(key);
          this.#tell(caller, room, 0);
        }),
      );
    }
    this.#tell(caller, room, status);
  }

  #tell({ user, name }: Account, room: RoomId, status: 0 | 1): void {
    this.#chat.hub.tellRoom(room, { kind: 'writing', user, name, status });
  }
}
