import type { EventHandler } from '../event-context.ts';

export const onWriting: EventHandler<'writing'> = async ({ typing }, { account }, { chatroom, status }, reply) => {
  await typing.show(account, chatroom, status);
  reply({ error: 0 });
};
