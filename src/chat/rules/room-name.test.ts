import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { nameKey, roomName } from './room-name.ts';

describe('roomName', () => {
  it.each([
    ['  Lobby \t', 'Lobby'],
    ['Cafe\u0301', 'Café'],
    ['x'.repeat(80), 'x'.repeat(80)],
    ['💬'.repeat(80), '💬'.repeat(80)],
    ['a  b', 'a  b'],
    ['__proto__', '__proto__'],
    [` ${'x'.repeat(80)} `, 'x'.repeat(80)],
  ])('takes %j as %j', (text, name) => assert.equal(roomName(text), name));

  it.each([
    [''],
    ['   '],
    ['\u00a0\ufeff'],
    ['x'.repeat(81)],
    ['💬'.repeat(81)],
    ['a\u0000b'],
    ['a\nb'],
    ['a\u0085b'],
    ['a\u2028b'],
    ['a\u007fb'],
  ])('refuses %j', (text) => {
    assert.throws(() => roomName(text), { code: 'invalid_fields' });
  });
});

describe('nameKey', () => {
  it('is the same for names that differ by case or by how their letters are composed', () => {
    assert.equal(nameKey('Größe'), nameKey('GRÖSSE'.replace('SS', 'ß')));
    assert.equal(nameKey(roomName('CAFE\u0301')), nameKey('café'));
    assert.notEqual(nameKey('a'), nameKey('b'));
  });
});
