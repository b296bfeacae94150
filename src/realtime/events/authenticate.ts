import { authenticate } from '../../chat/authenticate.ts';
import { ChatError } from '../../chat/errors.ts';
import { assertChatRole } from '../../chat/rules/access.ts';
import type { EventHandler } from '../event-context.ts';

export const onAuthenticate: EventHandler<'authenticate'> = async (context, session, { token }, reply) => {
  const account = await authenticate(context.chat, token);
  if (account.user !== session.account.user) {
    throw new ChatError('invalid_credentials', 'the token belongs to another user; open a new connection with it');
  }
  assertChatRole(account);
  session.account = account;
  context.renewToken(session, token);
  reply({ error: 0 });
};
