import type { z } from 'zod';
import { EXAMPLES } from './examples.ts';
import { JsonSchemas } from './json-schemas.ts';
import { botCommand, botReply, deadQueueOf, HEADERS } from './queue.ts';
import { CLIENT_EVENTS, failed, handshake, NAMESPACE, SERVER_EVENT_DOCS, SERVER_EVENTS } from './socket.ts';

/** Names of the queues where no other is set. */
const COMMANDS = 'bot-jobsity-bot';
const REPLIES = 'bot-jobsity-chat';

type Json = Record<string, unknown>;

/** One message of a channel with the operation that carries it. `key` names both and is a word of letters and dots. */
interface Entry {
  readonly key: string;
  /** Of the application that is described: it receives what clients send. */
  readonly action: 'receive' | 'send';
  readonly message: Json;
}

const keyOf = (side: string, event: string): string => `${side}.${event.replace(':', '.')}`;

function shown(schema: z.ZodType, schemas: JsonSchemas): { payload: unknown; examples: Json[] } {
  const payload = schemas.of(schema);
  return { payload, examples: schemas.examplesOf(payload).map((it) => ({ payload: it })) };
}

const clientEvents = (schemas: JsonSchemas): Entry[] =>
  Object.entries(CLIENT_EVENTS).map(([name, row]) => {
    const ack = schemas.of(row.ack);
    return {
      key: keyOf('client', name),
      action: 'receive',
      message: {
        name,
        summary: row.doc,
        ...shown(row.payload, schemas),
        'x-ack': { schema: { anyOf: [ack, schemas.of(failed)] }, example: schemas.exampleOf(ack) },
        ...('aliases' in row ? { 'x-aliases': row.aliases } : {}),
      },
    };
  });

const serverEvents = (schemas: JsonSchemas): Entry[] =>
  Object.entries(SERVER_EVENT_DOCS).map(([name, summary]) => ({
    key: keyOf('server', name),
    action: 'send',
    message: { name, summary, ...shown(SERVER_EVENTS[name as keyof typeof SERVER_EVENTS], schemas) },
  }));

/** What a message of a queue carries beside its JSON. */
const properties = (name: string, words: Record<string, string>, headers: readonly string[]): Json => ({
  name,
  contentType: 'application/json',
  correlationId: { location: '$message.header#/correlationId' },
  headers: {
    type: 'object',
    properties: Object.fromEntries(
      headers.map((it) => [it, { type: it === HEADERS.deliveries ? 'integer' : 'string' }]),
    ),
  },
  bindings: { amqp: { contentEncoding: 'utf-8', messageType: name, bindingVersion: '0.3.0' } },
  'x-properties': words,
});

const commands = (schemas: JsonSchemas): Entry => ({
  key: 'bot.command',
  action: 'send',
  message: {
    ...properties(
      'command',
      {
        messageId: 'id of the command',
        correlationId: 'the same',
        replyTo: 'the queue of the replies',
        expiration: 'milliseconds until nobody waits any more',
        timestamp: 'seconds since 1970',
      },
      [],
    ),
    summary: 'A command, or a post for bots that take all of a room',
    ...shown(botCommand, schemas),
  },
});

const replies = (schemas: JsonSchemas): Entry => ({
  key: 'bot.reply',
  action: 'receive',
  message: {
    ...properties('reply', { messageId: 'id of the reply', correlationId: 'id of the command' }, [HEADERS.deliveries]),
    summary: 'What a bot answers or says',
    ...shown(botReply, schemas),
  },
});

const queueChannel = (name: string, title: string, entry: Entry): Json => ({
  address: name,
  title,
  description: `The name is a setting of the server. What can never be taken goes to ${deadQueueOf(name)}, with ${HEADERS.reason}, ${HEADERS.detail} and ${HEADERS.queue} in its headers.`,
  servers: [{ $ref: '#/servers/queues' }],
  messages: messagesOf([entry]),
  bindings: { amqp: { is: 'queue', queue: { name, durable: true }, bindingVersion: '0.3.0' } },
});

const messagesOf = (entries: readonly Entry[]): Json =>
  Object.fromEntries(entries.map(({ key, message }) => [key, message]));

const operationsOf = (channel: string, entries: readonly Entry[]): Json =>
  Object.fromEntries(
    entries.map(({ key, action, message }) => [
      key,
      {
        action,
        summary: message.summary,
        channel: { $ref: `#/channels/${channel}` },
        messages: [{ $ref: `#/channels/${channel}/messages/${key}` }],
      },
    ]),
  );

/** The AsyncAPI 3.0 document of sockets and queues, from the schemas that parse them. */
export function createAsyncApi(version: string): Json {
  const schemas = new JsonSchemas('draft-7');
  const events = [...clientEvents(schemas), ...serverEvents(schemas)];
  const command = commands(schemas);
  const reply = replies(schemas);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Parley',
      version,
      description:
        'Events of the sockets and messages of the bot queues. AsyncAPI knows no acknowledgement: `x-ack` of an event is what its ack holds.',
    },
    defaultContentType: 'application/json',
    servers: {
      sockets: {
        host: '127.0.0.1:3000',
        protocol: 'socket.io',
        description: 'Socket.IO protocol 5 (clients of version 3 and 4), WebSocket or polling',
        security: [{ $ref: '#/components/securitySchemes/token' }],
      },
      queues: {
        host: '127.0.0.1:5672',
        protocol: 'amqp',
        protocolVersion: '0.9.1',
        description: 'RabbitMQ, where the server is set to it',
        security: [{ $ref: '#/components/securitySchemes/broker' }],
      },
    },
    channels: {
      sockets: {
        address: NAMESPACE,
        title: 'The namespace of the chat',
        servers: [{ $ref: '#/servers/sockets' }],
        messages: messagesOf(events),
        'x-handshake': { schema: schemas.of(handshake), example: { token: EXAMPLES.token, batch: true } },
      },
      commands: queueChannel(COMMANDS, 'Chat to bots', command),
      replies: queueChannel(REPLIES, 'Bots to chat', reply),
    },
    operations: {
      ...operationsOf('sockets', events),
      ...operationsOf('commands', [command]),
      ...operationsOf('replies', [reply]),
    },
    components: {
      schemas: schemas.named,
      securitySchemes: {
        broker: { type: 'userPassword' },
        token: { type: 'http', scheme: 'bearer', description: '`auth.token`, or the Authorization header' },
      },
    },
  };
}
