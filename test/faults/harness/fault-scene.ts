import { randomUUID } from 'node:crypto';
import type { Chat } from '../../../src/chat/chat.ts';
import { joinRoom } from '../../../src/chat/manage-members.ts';
import { createRoom } from '../../../src/chat/manage-rooms.ts';
import type { Account } from '../../../src/chat/model.ts';
import { postMessage } from '../../../src/chat/post-message.ts';
import { EXAMPLES } from '../../../src/wire/examples.ts';
import { JsonSchemas } from '../../../src/wire/json-schemas.ts';
import { noisePng } from '../../support/png.ts';

/** Who asks, of whom, for what: between them they lead a handler to all that it does. */
export interface Part {
  readonly caller: 'owner' | 'stranger';
  readonly target: 'member' | 'stranger';
  readonly text: string;
}

export const PARTS: readonly Part[] = [
  { caller: 'owner', target: 'member', text: 'Hello' },
  { caller: 'owner', target: 'stranger', text: 'Hello' },
  { caller: 'stranger', target: 'member', text: 'Hello' },
  { caller: 'owner', target: 'member', text: '/hello all' },
];

/** For the chat of these scenes. */
export const COMMANDS = ['hello'];

const schemas = new JsonSchemas('draft-2020-12');
let scenes = 0;

/** A room with people and messages in it that no other request comes near. */
export interface FaultScene {
  readonly caller: Account;
  /** An address that only this caller has. */
  readonly address: string;
  /** By these its calls of ports are known. */
  readonly marks: readonly string[];
  /** What the table shows as an example, with the ids of this scene in it; path parameters stand in braces. */
  fill(path: string, schema: Parameters<JsonSchemas['of']>[0] | undefined): { path: string; body?: unknown };
}

export async function openScene(chat: Chat, part: Part, withImage = false): Promise<FaultScene> {
  scenes += 1;
  const n = scenes;
  const roles = ['user', 'admin', 'service'];
  const person = (name: string): Account => ({ user: `${name}-${n}-`, type: 1, name, roles });
  const people = { owner: person('owner'), member: person('member'), stranger: person('stranger') };
  const { room } = await createRoom(chat, people.owner, { name: `Room ${n}`, visibility: 'public' });
  await joinRoom(chat, people.member, room.id);
  await postMessage(chat, people.member, room.id, { message: 'text' });
  const draft = withImage ? { image: noisePng(2).toString('base64') } : { message: 'text' };
  const { id } = await postMessage(chat, people.owner, room.id, draft);
  const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  const target = people[part.target].user;
  const others = [`"New ${n}"`, `"Guest ${n}"`] as const;
  return {
    caller: people[part.caller],
    address,
    marks: [...Object.values(people).map((it) => it.user), room.id, `${address}"`, ...others],
    fill(path, schema) {
      const cursors = JSON.stringify(EXAMPLES.cursors[EXAMPLES.roomId]);
      const text = JSON.stringify({ path, body: schema && schemas.exampleOf(schemas.of(schema)) })
        .replaceAll('{id}', room.id)
        .replaceAll('{mid}', id)
        .replaceAll('{user}', target)
        .replaceAll(EXAMPLES.roomId, room.id)
        .replaceAll(EXAMPLES.otherUser, target)
        .replaceAll(EXAMPLES.messageId, id)
        .replaceAll(EXAMPLES.clientId, randomUUID())
        .replaceAll(cursors, '0')
        .replaceAll(`"${EXAMPLES.draft.message}"`, `"${part.text}"`)
        .replaceAll(`"${EXAMPLES.room.name}"`, others[0])
        .replaceAll(`"${EXAMPLES.account.name}"`, others[1]);
      return JSON.parse(text);
    },
  };
}
