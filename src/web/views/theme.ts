import { icon, setAttributes } from '../dom.ts';
import { recall, remember } from '../storage.ts';

type Theme = 'auto' | 'light' | 'dark';

const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
const ICON = { auto: 'auto', light: 'sun', dark: 'moon' } as const;
const LABEL: Record<Theme, string> = { auto: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' };

const kept = (): Theme => {
  const theme = recall('theme');
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
};

export function applyTheme(theme: Theme = kept()): void {
  document.documentElement.dataset.theme = theme;
}

/** Goes through system, light and dark. */
export function themeToggle(): HTMLButtonElement {
  const button = document.createElement('button');
  button.className = 'icon-button';
  button.id = 'theme-toggle';
  button.dataset.testid = 'theme-toggle';
  const show = (theme: Theme): void => {
    applyTheme(theme);
    setAttributes(button, { type: 'button', title: LABEL[theme], 'aria-label': `${LABEL[theme]}; press to change` });
    button.replaceChildren(icon(ICON[theme]));
  };
  button.addEventListener('click', () => {
    const next = NEXT[kept()];
    remember('theme', next);
    show(next);
  });
  show(kept());
  return button;
}
