import { el } from '../dom.ts';

export interface MenuItem {
  readonly label: string;
  readonly danger?: boolean;
  readonly run: () => void;
}

/** A menu at a button: arrow keys move, Escape and a press elsewhere close it, the focus goes back to the button. */
export function openMenu(anchor: HTMLElement, label: string, items: readonly MenuItem[]): void {
  document.querySelector('.menu')?.remove();
  const close = (): void => {
    document.removeEventListener('pointerdown', outside, true);
    menu.remove();
    anchor.setAttribute('aria-expanded', 'false');
  };
  const outside = (event: Event): void => {
    if (event.target instanceof Node && !menu.contains(event.target)) close();
  };
  const buttons = items.map((item) =>
    el(
      'button',
      {
        class: item.danger === true ? 'menu-item danger' : 'menu-item',
        attrs: { type: 'button', role: 'menuitem', tabindex: -1 },
        on: {
          click: () => {
            close();
            anchor.focus();
            item.run();
          },
        },
      },
      item.label,
    ),
  );
  const menu = el('div', { class: 'menu', testid: 'menu', attrs: { role: 'menu', 'aria-label': label } }, ...buttons);
  menu.addEventListener('keydown', (event) => {
    const at = [...menu.children].indexOf(document.activeElement ?? menu);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1 + buttons.length,
      Home: 0,
      End: buttons.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      buttons[to % buttons.length]?.focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      event.stopPropagation();
      close();
      anchor.focus();
    }
  });
  document.body.append(menu);
  const at = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
  menu.style.top = `${at.bottom + height + 8 > innerHeight ? Math.max(8, at.top - height - 4) : at.bottom + 4}px`;
  anchor.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  buttons[0]?.focus();
}
