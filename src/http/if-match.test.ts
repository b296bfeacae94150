import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { tagKnown, versionTag, versionWanted } from './if-match.ts';

describe('versionWanted', () => {
  it('takes any version without a condition and with *', () => {
    assert.equal(versionWanted(undefined), undefined);
    assert.equal(versionWanted('*'), undefined);
  });

  it('reads the tag that versionTag wrote', () => assert.equal(versionWanted(versionTag(17)), 17));

  for (const tag of ['W/"17"', '17', '"x"', '', '"17", "18"', '"1e3"', '"-1"', '"17', `"${'9'.repeat(30)}"`]) {
    it(`lets ${tag || 'an empty header'} match nothing`, () => assert.equal(versionWanted(tag), -1));
  }
});

describe('tagKnown', () => {
  it('finds the tag alone, weak, in a list and by *', () => {
    for (const header of ['"a"', 'W/"a"', '"b", "a"', '*']) assert.equal(tagKnown(header, '"a"'), true, header);
  });

  it('finds nothing else', () => {
    for (const header of [undefined, '', 'a', '"b"', '"ab"']) assert.equal(tagKnown(header, '"a"'), false, header);
  });
});
