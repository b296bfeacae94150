import { strict as assert } from 'node:assert';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { joinRoom } from '../../src/chat/manage-members.ts';
import type { RoomId } from '../../src/chat/model.ts';
import { CLIENT_EVENTS, NAMESPACE } from '../../src/wire/socket.ts';
import { eventually } from '../support/eventually.ts';
import { openEngine, type RawEngine } from '../support/raw-engine.ts';
import { openTestRealtime, type TestClient, type TestRealtime } from '../support/test-realtime.ts';

let test: TestRealtime;
let room: RoomId;
let witness: TestClient;
const unhandled: unknown[] = [];
const note = (cause: unknown): void => void unhandled.push(cause);

beforeEach(async () => {
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
  test = await openTestRealtime();
  room = await test.room('owner');
  await joinRoom(test.chat, test.account('eve'), room);
  witness = await test.connect('owner');
});

afterEach(async () => {
  // Whatever was sent: the server lives and nobody else was cut.
  await test.post('owner', room, 'still here');
  await witness.push('message', (it) => it.message === 'still here');
  const fresh = await test.connect('fresh');
  await fresh.done('chatrooms');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note).off('uncaughtException', note);
  assert.deepEqual(unhandled.splice(0), []);
  assert.equal(witness.socket.connected, true);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.deepEqual(
    test.lines.filter((it) => it.level === 'error'),
    [],
  );
  await test.close();
});

const EVENTS = [...Object.keys(CLIENT_EVENTS), 'writting', 'typing'];
const ANYTHING: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  '',
  'text',
  [],
  [[]],
  {},
  { $gt: '' },
  { chatroom: { $ne: null } },
  { chatroom: ['a'] },
  { chatroom: null },
  { chatroom: 'a\0b' },
  { chatroom: '\ud800' },
  { chatroom: '__proto__', message: 'x', status: 1, seq: 1 },
  { chatroom: '../../etc', message: { $where: '1' } },
  { rooms: { $gt: 1 } },
  { rooms: { __proto__: 5 } },
  { name: { toString: 1 } },
  { token: { $regex: '.*' } },
  { cursor: { length: 1 } },
  JSON.parse('{"then":1,"toJSON":1,"constructor":{"prototype":{}}}'),
  { length: 2 ** 32 },
];

describe('every event with every type of payload', () => {
  it.each(EVENTS)('%s answers with an error of the table', async (event) => {
    const eve = await test.connect('eve');
    const before = eve.pushes('failure').length;
    for (const payload of [undefined, ...ANYTHING]) {
      const ack = await eve.ask(event, payload);
      // A page of rooms needs nothing, and any text may be asked for as a room: it has its error in its place.
      const harmless = ['chatrooms', 'resume'].includes(event) && ack.error === 0;
      assert.ok(harmless || [600, 704].includes(ack.error), `${JSON.stringify(payload)}: ${JSON.stringify(ack)}`);
      eve.socket.emit(event, payload);
    }
    eve.socket.emit(event, {}, {}, {}, 'more');
    await eve.settled();
    if (event !== 'chatrooms') assert.ok(eve.pushes('failure').length > before);
    assert.equal(eve.socket.connected, true);
  });

  it('keys of the prototype pollute nothing', async () => {
    const eve = openEngine(test.port);
    await enter(eve);
    const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    const texts = [
      `["message",{"chatroom":"${room}","message":"x","meta":${evil}}]`,
      `["resume",{"rooms":${evil}}]`,
      '["resume",{"rooms":{"__proto__":1,"constructor":{"seq":1}}}]',
      `["switch",${evil}]`,
      '["__proto__",{}]',
      '["constructor",{}]',
      '["toString",{}]',
      '["hasOwnProperty",{}]',
    ];
    for (const [at, text] of texts.entries()) eve.send(`42${NAMESPACE},${at}${text}`);
    for (const at of texts.keys()) await eve.packet((it) => it.startsWith(`43${NAMESPACE},${at}[`));
    eve.close();
  });

  it('huge and deep payloads are answered or cut, and cost nobody else anything', async () => {
    const eve = openEngine(test.port);
    await enter(eve);
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const startedAt = performance.now();
    eve.send(`42${NAMESPACE},1["message",{"chatroom":"${room}","message":"x","meta":{"a":${deep}}}]`);
    eve.send(`42${NAMESPACE},2["message",{"chatroom":"${'x'.repeat(500_000)}","message":"x"}]`);
    eve.send(`42${NAMESPACE},3["message",{"chatroom":"${room}","message":"${'/'.repeat(65_536)}"}]`);
    eve.send(`42${NAMESPACE},4["history",{"chatroom":"${room}","limit":${'9'.repeat(400)}}]`);
    eve.send(`42${NAMESPACE},5["${'e'.repeat(100_000)}",{}]`);
    eve.send(`42${NAMESPACE},6["chatroom",{"name":"${'\\u0300'.repeat(60_000)}"}]`);
    for (const id of [1, 2, 3, 4, 5, 6]) await eve.packet((it) => it.startsWith(`43${NAMESPACE},${id}[{"error":`));
    assert.ok(performance.now() - startedAt < 2000);
    assert.ok(!eve.packets.some((it) => it.includes('"seq"') && it.startsWith('43')));
    eve.send(`42${NAMESPACE},7["message",{"chatroom":"${room}","message":"${'x'.repeat(1_100_000)}"}]`);
    await eve.closed(); // more than a packet may have
  });
});

async function enter(raw: RawEngine): Promise<void> {
  await raw.opened();
  raw.send(`40${NAMESPACE},${JSON.stringify({ token: test.addAccount('eve') })}`);
  await raw.packet((it) => it.startsWith(`42${NAMESPACE},["authentication"`));
}

const NS = NAMESPACE;
/** Whole Engine.IO packets; the text says what is wrong with each. */
const HOSTILE: Readonly<Record<string, (raw: RawEngine) => void>> = {
  'a number as name': (it) => it.send(`42${NS},[5,{}]`),
  'a number as name, with an ack': (it) => it.send(`42${NS},9[5,{}]`),
  'a huge number as name': (it) => it.send(`42${NS},[1e400]`),
  'null as name': (it) => it.send(`42${NS},[null]`),
  'an object as name': (it) => it.send(`42${NS},[{}]`),
  'no name': (it) => it.send(`42${NS},[]`),
  'no list': (it) => it.send(`42${NS},{"a":1}`),
  'nothing at all': (it) => it.send(`42${NS},`),
  'an empty name': (it) => it.send(`42${NS},["",{}]`),
  'an event of the emitter': (it) => it.send(`42${NS},["error",{"x":1}]`),
  'reserved names': (it) => it.send(`42${NS},["disconnect"]`),
  'a reserved name of the emitter': (it) => it.send(`42${NS},["newListener","x"]`),
  'a server event': (it) => it.send(`42${NS},["authentication",{"user":"owner"}]`),
  'a huge ack id': (it) => it.send(`42${NS},${'9'.repeat(400)}["history",{}]`),
  'a negative ack id': (it) => it.send(`42${NS},-1["history",{}]`),
  'an ack nobody waits for': (it) => it.send(`43${NS},0[]`),
  'an ack without a list': (it) => it.send(`43${NS},0{"a":1}`),
  'an ack of a prototype key': (it) => it.send(`43${NS},__proto__[]`),
  'truncated JSON': (it) => it.send(`42${NS},["message",{"chatroom":"`),
  'no JSON': (it) => it.send(`42${NS},[undefined]`),
  'deep nesting': (it) => it.send(`42${NS},${'['.repeat(50_000)}`),
  'deep nesting that ends': (it) => it.send(`42${NS},["message",${'['.repeat(9000)}${']'.repeat(9000)}]`),
  'another namespace': (it) => it.send('42/other,["message",{}]'),
  'a namespace with a query': (it) => it.send(`42${NS}?a=b,["message",{}]`),
  'a namespace without end': (it) => it.send(`40/${'a'.repeat(10_000)}`),
  'a namespace of the prototype': (it) => it.send('40__proto__,'),
  'a second connect': (it) => it.send(`40${NS},{}`),
  'connect with a list': (it) => it.send(`40${NS},[]`),
  'a connect error': (it) => it.send(`44${NS},{"message":"x"}`),
  'attachments announced and never sent': (it) => it.send(`451-${NS},["message",{"_placeholder":true,"num":0}]`),
  'attachments, then text': (it) => it.send(`452-${NS},["message",{}]`, `42${NS},["message",{}]`),
  'too many attachments': (it) => it.send(`45999999999-${NS},["message",{}]`),
  'no number of attachments': (it) => it.send(`45x-${NS},["message",{}]`),
  'attachments without end': (it) => it.send(`45${'1'.repeat(1000)}`),
  'a placeholder out of range': (it) => {
    it.send(`451-${NS},["message",{"_placeholder":true,"num":7}]`);
    it.sendBinary(Buffer.from('x'));
  },
  'a placeholder of the prototype': (it) => {
    it.send(`451-${NS},["message",{"_placeholder":true,"num":"__proto__"}]`);
    it.sendBinary(Buffer.from('x'));
  },
  'a deep binary event': (it) => {
    it.send(`451-${NS},["message",${'['.repeat(9000)}${']'.repeat(9000)}]`);
    it.sendBinary(Buffer.from('x'));
  },
  'bytes as message': (it) => {
    it.send(`451-${NS},1["message",{"chatroom":"${room}","message":{"_placeholder":true,"num":0}}]`);
    it.sendBinary(Buffer.from('x'));
  },
  'bytes as name': (it) => {
    it.send(`451-${NS},[{"_placeholder":true,"num":0}]`);
    it.sendBinary(Buffer.from('x'));
  },
  'bytes nobody announced': (it) => it.sendBinary(Buffer.alloc(100)),
  'an unknown type of Socket.IO': (it) => it.send('49'),
  'no type of Socket.IO': (it) => it.send('4'),
  'an unknown type of Engine.IO': (it) => it.send('9'),
  'an empty packet': (it) => it.send(''),
  'a ping of the client': (it) => it.send('2'),
  'a probe': (it) => it.send('2probe'),
  'an upgrade': (it) => it.send('5'),
  'a close': (it) => it.send('1'),
  'an open': (it) => it.send('0{"sid":"x"}'),
  'a lone surrogate as name': (it) => it.send(`42${NS},["\\ud800",{}]`),
  'NUL as name': (it) => it.send(`42${NS},["\\u0000",{}]`),
  'ill-formed UTF-8': (it) => it.sendBytes(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])),
  'reserved bits': (it) => it.sendBytes(Buffer.from([0xf1, 0x80, 0, 0, 0, 0])),
  'a frame that is not masked': (it) => it.sendBytes(Buffer.from([0x81, 0x01, 0x34])),
  'a fragment without a beginning': (it) => it.sendBytes(Buffer.from([0x80, 0x81, 0, 0, 0, 0, 0x34])),
  'a frame of 2^63 bytes': (it) => it.sendBytes(Buffer.from('81ffffffffffffffffff00000000', 'hex')),
  'the end of the namespace, twice': (it) => it.send(`41${NS},`, `41${NS},`),
};

describe('packets that are no packets', () => {
  it.each(Object.keys(HOSTILE))('%s', async (kind) => {
    const raw = openEngine(test.port);
    await enter(raw);
    HOSTILE[kind]?.(raw);
    raw.send(`42${NS},77["chatrooms",{}]`);
    // Either it is answered like anything else, or the connection is its price.
    await eventually('an answer or the end', () => {
      return raw.isClosed() || raw.packets.some((it) => it.startsWith(`43${NS},77[`)) || kind.startsWith('attachments');
    });
    raw.destroy();
  });

  it('1,000 of all kinds, in and out of a session, leave nothing behind', async () => {
    const kinds = Object.values(HOSTILE);
    let sent = 0;
    while (sent < 1000) {
      const raws = [openEngine(test.port), openEngine(test.port)];
      const [inside, outside] = raws;
      if (!inside || !outside) return;
      await Promise.all([enter(inside), outside.opened()]);
      for (let n = 0; n < 10; n += 1, sent += 2) {
        kinds[(sent * 7 + n) % kinds.length]?.(inside);
        kinds[(sent * 11 + n) % kinds.length]?.(outside);
      }
      for (const raw of raws) raw.destroy();
      await Promise.all(raws.map((it) => it.closed()));
    }
    await eventually('only the witness is left', () => test.connections() === 1);
    witness.socket.disconnect();
    await test.assertReleased();
    witness = await test.connect('owner');
  }, 30_000);
});
