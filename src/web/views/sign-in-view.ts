import { el, icon } from '../dom.ts';
import { explain } from '../explain.ts';
import { createGuest } from '../rest.ts';
import { field, submitting } from './dialog.ts';
import { themeToggle } from './theme.ts';

/** Asks for a name, or for a token where the server has no accounts of its own. Calls `done` with a token. */
export function signInView(done: (token: string) => void, notice?: string): HTMLElement {
  const name = el('input', {
    id: 'name-input',
    testid: 'name-input',
    attrs: { name: 'name', autocomplete: 'nickname', maxlength: 80, required: true, autofocus: true },
  });
  const token = el('input', {
    id: 'token-input',
    testid: 'token-input',
    attrs: { name: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false' },
  });
  const problem = el('p', { class: 'form-problem', testid: 'sign-in-problem', attrs: { role: 'alert' } }, notice ?? '');
  const byName = field('What should people call you?', name);
  const byToken = field('Access token', token, 'From your account service. It stays in this browser.');
  const submit = el('button', {
    class: 'button primary wide',
    id: 'enter',
    testid: 'enter',
    attrs: { type: 'submit' },
  });
  const other = el('button', { class: 'link-button', testid: 'use-token', attrs: { type: 'button' } });

  let wantsToken = false;
  const show = (withToken: boolean): void => {
    wantsToken = withToken;
    byName.hidden = withToken;
    byToken.hidden = !withToken;
    name.required = !withToken;
    token.required = withToken;
    submit.textContent = withToken ? 'Sign in' : 'Start chatting';
    other.textContent = withToken ? 'Come in as a guest instead' : 'I have an access token';
  };
  show(false);
  other.addEventListener('click', () => {
    show(!wantsToken);
    (wantsToken ? token : name).focus();
  });

  const form = el('form', { class: 'sign-in-form', id: 'sign-in' }, byName, byToken, problem, submit, other);
  submitting(form, async () => {
    problem.textContent = '';
    if (wantsToken) {
      done(token.value.trim());
      return;
    }
    try {
      const guest = await createGuest(name.value.trim());
      if (guest !== undefined) {
        done(guest.token);
        return;
      }
      show(true);
      problem.textContent = 'This server has no guests. Sign in with an access token of your account.';
      token.focus();
    } catch (error) {
      problem.textContent = explain(error);
    }
  });

  return el(
    'main',
    { class: 'sign-in' },
    el('div', { class: 'sign-in-corner' }, themeToggle()),
    el(
      'div',
      { class: 'card' },
      el('p', { class: 'brand large' }, icon('logo'), 'Parley'),
      el('h1', {}, 'Good conversations, in order.'),
      form,
    ),
  );
}
