import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { ChatError } from '../chat/errors.ts';
import { readQuery } from './read-query.ts';

describe('readQuery', () => {
  it('decodes names and values', () => {
    assert.deepEqual(readQuery('/a?q=caf%C3%A9+au%2Blait&mine=true&'), { q: 'café au+lait', mine: 'true' });
    assert.deepEqual(readQuery('/a'), {});
    assert.deepEqual(readQuery('/a?q'), { q: '' });
    assert.deepEqual(readQuery('/a?q=a=b'), { q: 'a=b' });
  });

  it('keeps names that objects are made of as names', () => {
    assert.equal(Object.getPrototypeOf(readQuery('/a?__proto__=x')), Object.prototype);
  });

  for (const query of ['limit=1&limit=2', 'limit[]=1', 'limit[a]=1', 'limit%5B%5D=1', 'q=%zz', 'q=%ff', 'q=%E0%A4']) {
    it(`refuses ${query}`, () => {
      assert.throws(() => readQuery(`/a?${query}`), { code: 'invalid_fields', status: 400 });
    });
  }

  for (const name of ['token', 'access_token']) {
    it(`refuses ${name}, says why and does not repeat it`, () => {
      assert.throws(
        () => readQuery(`/a?${name}=secret`),
        (error) => error instanceof ChatError && /logs/.test(error.message) && !/secret/.test(JSON.stringify(error)),
      );
    });
  }
});
