import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { forSeeds } from '../../../test/support/random.ts';
import { TEST_SETTINGS } from '../../../test/support/test-chat.ts';
import { ChatError } from '../errors.ts';
import { decodeImage, fingerprintOf, parseDraft } from './draft.ts';
import { textType } from './text-type.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'none';
  } catch (error) {
    if (error instanceof ChatError) return error.code;
    throw error;
  }
};

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const IMAGES = {
  'image/png': PNG,
  'image/jpeg': Buffer.from('ffd8ffe000104a46494600', 'hex'),
  'image/gif': Buffer.from('GIF89a\u0001\u0000\u0001\u0000', 'latin1'),
  'image/webp': Buffer.concat([Buffer.from('RIFF'), Buffer.from([9, 0, 0, 0]), Buffer.from('WEBPVP8 ')]),
};

describe('parseDraft', () => {
  it.each([
    ['plain', 1, 'plain'],
    ['http://a.b', 2, 'http://a.b'],
    ['https://a.b and more', 2, 'https://a.b and more'],
    ['ftp://a.b', 2, 'ftp://a.b'],
    ['see http://a.b', 1, 'see http://a.b'],
    [' http://a.b', 1, ' http://a.b'],
    ['HTTP://a.b', 1, 'HTTP://a.b'],
    ['http:/a.b', 1, 'http:/a.b'],
    ['javascript://a', 1, 'javascript://a'],
    ['//text', 1, '/text'],
    ['//stock=aapl', 1, '/stock=aapl'],
    ['///', 1, '//'],
    ['/', 1, '/'],
    ['/ stock', 1, '/ stock'],
    ['/etc/passwd', 1, '/etc/passwd'],
    ['/a.b', 1, '/a.b'],
    ['/=x', 1, '/=x'],
    [`/${'x'.repeat(65)}`, 1, `/${'x'.repeat(65)}`],
    [' /stock', 1, ' /stock'],
    ['a /stock', 1, 'a /stock'],
    ['<b>&amp;\u0000', 1, '<b>&amp;\u0000'],
  ])('takes %j as a text of type %d', (text, type, stored) => {
    assert.deepEqual(parseDraft({ message: text }, TEST_SETTINGS), { type, text: stored });
  });

  it.each([
    ['/stock', 'stock', ''],
    ['/stock=aapl.us', 'stock', 'aapl.us'],
    ['/Stock aapl.us', 'stock', 'aapl.us'],
    ['/STOCK   aapl  us ', 'stock', 'aapl  us'],
    ['/stock=', 'stock', ''],
    ['/stock=a=b', 'stock', 'a=b'],
    ['/stock\taapl', 'stock', 'aapl'],
    ['/stock\naapl\nus', 'stock', 'aapl\nus'],
    ['/stock = aapl', 'stock', '= aapl'],
    ['/größe_1-2 x', 'größe_1-2', 'x'],
    ['/hello=<b>', 'hello', '<b>'],
    ['/__proto__ x', '__proto__', 'x'],
  ])('takes %j as the command %s', (text, word, args) => {
    assert.deepEqual(parseDraft({ message: text }, TEST_SETTINGS), { type: 1, text, command: { word, args } });
  });

  it('bounds a text by its bytes', () => {
    const settings = { ...TEST_SETTINGS, messageBytes: 8 };
    assert.equal(parseDraft({ message: '12345678' }, settings).text, '12345678');
    assert.equal(parseDraft({ message: 'üüüü' }, settings).text, 'üüüü');
    for (const message of ['123456789', 'üüüüü', '💬💬💬', '//1234567']) {
      assert.equal(
        codeOf(() => parseDraft({ message }, settings)),
        'too_large',
        message,
      );
    }
  });

  it('takes an image rather than the text beside it', () => {
    const parsed = parseDraft({ image: PNG.toString('base64'), message: '/stock' }, TEST_SETTINGS);
    assert.deepEqual([parsed.type, parsed.text, parsed.command], [3, '', undefined]);
    assert.deepEqual(parsed.image, { contentType: 'image/png', bytes: PNG });
  });

  it('tells links apart in time that grows with nothing', () => {
    assert.equal(textType('h'.repeat(1_000_000)), 1);
    assert.equal(parseDraft({ message: `/${'a'.repeat(16_000)}` }, TEST_SETTINGS).command, undefined);
  });
});

describe('decodeImage', () => {
  it.each(Object.entries(IMAGES))('finds %s in the bytes, whatever was said', (contentType, bytes) => {
    const base64 = bytes.toString('base64');
    for (const text of [base64, `data:image/png;base64,${base64}`, `data:image/svg+xml;base64,${base64}`]) {
      assert.deepEqual(decodeImage(text, TEST_SETTINGS), { contentType, bytes });
    }
  });

  it.each([
    ['nothing', ''],
    ['a data: URL of nothing', 'data:image/png;base64,'],
    ['a data: URL without its data', 'data:image/png;base64'],
    ['a data: URL of a page', `data:text/html;base64,${PNG.toString('base64')}`],
    ['a data: URL in percents', 'data:image/png,%89PNG'],
    ['a data: URL with parameters', `data:image/png;charset=x;base64,${PNG.toString('base64')}`],
    ['a data: URL in capitals', `DATA:image/png;base64,${PNG.toString('base64')}`],
    ['an address', 'https://example.org/a.png'],
    ['base64 of the web', PNG.toString('base64').replace('/', '_').replace('+', '-').replace('iVBO', 'iVB_')],
    ['base64 cut off', PNG.toString('base64').slice(0, -3)],
    ['base64 with line breaks', `${PNG.toString('base64').slice(0, 8)}\r\n\r\n${PNG.toString('base64').slice(8)}`],
    ['base64 with too many ends', `${PNG.toString('base64').slice(0, 12)}====`],
    ['base64 with an end in its middle', `iV==${PNG.toString('base64').slice(4)}`],
    ['a page', Buffer.from('<html><script>alert(1)</script>').toString('base64')],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')],
    ['a PDF', Buffer.from('%PDF-1.7 and more').toString('base64')],
    ['half a signature', PNG.subarray(0, 6).toString('base64')],
    ['a RIFF that is no picture', Buffer.from('RIFF\u0001\u0001\u0001\u0001WAVEfmt ').toString('base64')],
  ])('refuses %s', (_name, text) => {
    assert.equal(
      codeOf(() => decodeImage(text, TEST_SETTINGS)),
      'invalid_fields',
    );
  });

  it('bounds the decoded bytes, to the byte', () => {
    for (const imageBytes of [15, 16, 17, 18]) {
      const settings = { imageBytes };
      const exact = Buffer.concat([PNG, Buffer.alloc(8)]).subarray(0, imageBytes);
      assert.equal(decodeImage(exact.toString('base64'), settings).bytes.length, imageBytes);
      for (const more of [1, 2, 3, 4, 1000]) {
        const over = Buffer.concat([PNG, Buffer.alloc(2000)]).subarray(0, imageBytes + more);
        for (const text of [over.toString('base64'), `data:image/png;base64,${over.toString('base64')}`]) {
          assert.equal(
            codeOf(() => decodeImage(text, settings)),
            'too_large',
            `${imageBytes} + ${more}`,
          );
        }
      }
    }
  });

  it('refuses whatever is altered in a way that changes the text’s shape, and never breaks', () =>
    forSeeds(300, (random) => {
      const text = PNG.toString('base64');
      const at = random.int(text.length);
      const odd = random.pick(['\u0000', '*', ' ', '=', 'ü', '-', '"', '\\', '%']);
      const altered = random.chance(0.5) ? text.slice(0, at) + odd + text.slice(at + 1) : text.slice(0, at);
      assert.ok(['none', 'invalid_fields'].includes(codeOf(() => decodeImage(altered, TEST_SETTINGS))), altered);
    }));
});

describe('fingerprintOf', () => {
  it('is the same for the same facts, whatever their order', () => {
    const a = fingerprintOf({ message: 'x', meta: { a: 1, b: { c: [1, 2], d: null } }, clientId: 'one' }, undefined);
    const b = fingerprintOf({ clientId: 'two', meta: { b: { d: null, c: [1, 2] }, a: 1 }, message: 'x' }, undefined);
    assert.equal(a, b);
    assert.equal(a.length, 22);
  });

  it('differs for anything that differs', () => {
    const png = { contentType: 'image/png', bytes: PNG } as const;
    const prints = [
      fingerprintOf({ message: 'x' }, undefined),
      fingerprintOf({ message: 'X' }, undefined),
      fingerprintOf({ message: 'x', inReplyTo: 'm' }, undefined),
      fingerprintOf({ message: 'x', meta: {} }, undefined),
      fingerprintOf({ message: 'x', meta: { a: [1, 2] } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: [2, 1] } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: '1' } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: 1 } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: [['b', 1]] } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: { b: 1 } } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: {} } }, undefined),
      fingerprintOf({ message: 'x', meta: { a: [] } }, undefined),
      fingerprintOf({ message: '' }, undefined),
      fingerprintOf({}, undefined),
      fingerprintOf({}, png),
      fingerprintOf({}, { ...png, bytes: PNG.subarray(0, 12) }),
    ];
    assert.equal(new Set(prints).size, prints.length);
  });
});
