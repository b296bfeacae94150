import { strict as assert } from 'node:assert';
import { Parser } from '@asyncapi/parser';
import { describe, it } from '@jest/globals';
import { z } from 'zod';
import { createAsyncApi } from '../../src/wire/asyncapi.ts';
import { botCommand, botReply } from '../../src/wire/queue.ts';
import { CLIENT_EVENTS, NAMESPACE, SERVER_EVENTS } from '../../src/wire/socket.ts';

interface Message {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly { payload: unknown }[];
  readonly 'x-ack'?: { schema: { anyOf: unknown[] }; example: unknown };
  readonly 'x-aliases'?: readonly string[];
}

interface Document {
  readonly channels: Record<string, { address: string; messages: Record<string, Message> }>;
  readonly operations: Record<string, { action: string; channel: { $ref: string }; messages: { $ref: string }[] }>;
}

const given: unknown = createAsyncApi('1.0.0');
const document = given as Document;
const SEVERITY_ERROR = 0;

const strict = (schema: z.ZodType): z.ZodType => (schema instanceof z.ZodObject ? schema.strict() : schema);

async function errorsOf(it: unknown): Promise<string[]> {
  const { diagnostics } = await new Parser().parse(JSON.stringify(it));
  return diagnostics
    .filter((one) => one.severity === SEVERITY_ERROR)
    .map((one) => `${one.path.join('.')}: ${one.message}`);
}

/** By the action and the name of its messages. */
function named(action: string, channel: string): Map<string, Message> {
  const found = Object.entries(document.operations)
    .filter(([, it]) => it.action === action && it.channel.$ref === `#/channels/${channel}`)
    .map(([key]) => document.channels[channel]?.messages[key]);
  return new Map(found.flatMap((it) => (it ? [[it.name, it] as const] : [])));
}

describe('documents: AsyncAPI', () => {
  it('is valid', async () => assert.deepEqual(await errorsOf(document), []), 30_000);

  it('would not be with an action that there is not', async () => {
    const broken = structuredClone(document) as { operations: Record<string, { action: string }> };
    const [first] = Object.values(broken.operations);
    if (first) first.action = 'shout';
    assert.match((await errorsOf(broken)).join('\n'), /action/);
  }, 30_000);

  it('is of the namespace and both queues', () => {
    assert.deepEqual(
      Object.values(document.channels).map((it) => it.address),
      [NAMESPACE, 'bot-jobsity-bot', 'bot-jobsity-chat'],
    );
  });

  it('has every event that clients send, with its ack', () => {
    const events = named('receive', 'sockets');
    assert.deepEqual([...events.keys()].sort(), Object.keys(CLIENT_EVENTS).sort());
    for (const [name, row] of Object.entries(CLIENT_EVENTS)) {
      const event = events.get(name);
      assert.ok(event?.summary && event.examples.length > 0, name);
      for (const { payload } of event.examples) strict(row.payload).parse(payload);
      assert.equal(event['x-ack']?.schema.anyOf.length, 2, name);
      row.ack.parse(event['x-ack']?.example);
    }
    assert.deepEqual(events.get('writing')?.['x-aliases'], ['writting', 'typing']);
  });

  it('has every event that the server sends', () => {
    const events = named('send', 'sockets');
    assert.deepEqual([...events.keys()].sort(), Object.keys(SERVER_EVENTS).sort());
    for (const [name, schema] of Object.entries(SERVER_EVENTS)) {
      const event = events.get(name);
      assert.ok(event?.summary && event.examples.length > 0, name);
      for (const { payload } of event.examples) strict(schema).parse(payload);
    }
  });

  it('has what goes through the queues, in full and with the fields of the earlier server alone', () => {
    const command = named('send', 'commands').get('command');
    const reply = named('receive', 'replies').get('reply');
    assert.deepEqual([command?.examples.length, reply?.examples.length], [2, 2]);
    for (const { payload } of command?.examples ?? []) botCommand.strict().parse(payload);
    for (const { payload } of reply?.examples ?? []) botReply.parse(payload);
  });
});
