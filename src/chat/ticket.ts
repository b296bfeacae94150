import { createHash, timingSafeEqual } from 'node:crypto';
import type { Command, MessageId } from './model.ts';

/** Told from every other token by its beginning: those are for the account service, these are never shown to it. */
const TICKET = /^ticket\.([^.]{1,128})\.([\w-]{1,128})$/;

/** What a bot gets instead of its user's token: good for answers to this one command, as long as one would be shown. */
export const ticketOf = ({ id, ticket }: Pick<Command, 'id' | 'ticket'>): string => `ticket.${id}.${ticket}`;

export function parseTicket(token: string): { id: MessageId; secret: string } | undefined {
  const [, id, secret] = TICKET.exec(token) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Takes the same time whatever is wrong. */
export const fitsTicket = ({ ticket }: Pick<Command, 'ticket'>, secret: string): boolean =>
  timingSafeEqual(hashOf(ticket), hashOf(secret));
