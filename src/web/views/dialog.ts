import { type Child, el, iconButton } from '../dom.ts';

export interface DialogOptions {
  readonly title: string;
  readonly testid?: string;
  readonly class?: string;
  /** Called once, however the dialog was left. */
  readonly closed?: () => void;
}

/** A modal dialog: the browser keeps the focus inside, Escape leaves it, and the focus goes back to where it was. */
export function openDialog(options: DialogOptions, fill: (close: () => void) => Child[]): HTMLDialogElement {
  const close = (): void => dialog.close();
  const heading = el('h2', { id: `dialog-title-${Date.now()}` }, options.title);
  const dialog = el('dialog', {
    class: `dialog ${options.class ?? ''}`.trim(),
    ...(options.testid === undefined ? {} : { testid: options.testid }),
    attrs: { 'aria-labelledby': heading.id },
  });
  const header = el('header', { class: 'dialog-header' }, heading, iconButton('close', 'Close', close));
  const children = fill(close).filter((it): it is Node | string => it !== undefined && it !== false);
  dialog.append(header, ...children);
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) close();
  });
  dialog.addEventListener('close', () => {
    const toasts = dialog.querySelector('#toasts');
    if (toasts !== null) document.body.append(toasts);
    dialog.remove();
    options.closed?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector<HTMLElement>('[autofocus]')?.focus();
  return dialog;
}

/** Asks before what cannot be taken back. */
export function confirmed(question: { title: string; text: string; action: string }): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = false;
    openDialog(
      { title: question.title, testid: 'confirm', class: 'narrow', closed: () => resolve(answer) },
      (close) => [
        el('p', {}, question.text),
        el(
          'footer',
          { class: 'dialog-actions' },
          el('button', { class: 'button quiet', attrs: { type: 'button' }, on: { click: close } }, 'Cancel'),
          el(
            'button',
            {
              class: 'button danger',
              testid: 'confirm-yes',
              attrs: { type: 'button', autofocus: true },
              on: {
                click: () => {
                  answer = true;
                  close();
                },
              },
            },
            question.action,
          ),
        ),
      ],
    );
  });
}

/** Keeps a form from being sent twice while `work` runs. */
export function submitting(form: HTMLFormElement, work: () => Promise<void>): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const buttons = [...form.querySelectorAll<HTMLButtonElement>('button[type=submit]')];
    if (buttons.some((it) => it.disabled)) return;
    for (const it of buttons) it.disabled = true;
    void work().finally(() => {
      for (const it of buttons) it.disabled = false;
    });
  });
}

export function field(label: string, input: HTMLElement, hint?: string): HTMLElement {
  const hintId = `${input.id}-hint`;
  if (hint !== undefined) input.setAttribute('aria-describedby', hintId);
  return el(
    'div',
    { class: 'field' },
    el('label', { attrs: { for: input.id } }, label),
    input,
    hint !== undefined && el('p', { class: 'hint', id: hintId }, hint),
  );
}
