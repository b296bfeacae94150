export type Role = 'member' | 'moderator' | 'owner';

export interface Standing {
  readonly role: Role | undefined;
  readonly admin: boolean;
}

const atLeast = (role: Role | undefined, least: Role): boolean => {
  const order: readonly (Role | undefined)[] = [undefined, 'member', 'moderator', 'owner'];
  return order.indexOf(role) >= order.indexOf(least);
};

/** The page's copy of the server's rules: it decides what is offered, the server decides what happens. */
export const may = {
  write: ({ role }: Standing): boolean => role !== undefined,
  moderate: ({ role, admin }: Standing): boolean => admin || atLeast(role, 'moderator'),
  own: ({ role, admin }: Standing): boolean => admin || role === 'owner',
  /** Removing and banning; nobody does it to the owner or to themselves. */
  remove: (standing: Standing, whom: { role: Role; isMe: boolean }): boolean =>
    may.moderate(standing) && !whom.isMe && whom.role !== 'owner' && (may.own(standing) || whom.role === 'member'),
  editMessage: ({ role }: Standing, message: { own: boolean; type: number; deleted?: true | undefined }): boolean =>
    message.own && role !== undefined && message.type !== 3 && message.deleted !== true,
  deleteMessage: (standing: Standing, message: { own: boolean; deleted?: true | undefined }): boolean =>
    message.deleted !== true && (may.moderate(standing) || (message.own && standing.role !== undefined)),
};
