import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { subscriberOf } from './account-routes.ts';

describe('subscriberOf', () => {
  for (const [address, subscriber] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ] as const) {
    it(`counts ${address} as ${subscriber}`, () => assert.equal(subscriberOf(address), subscriber));
  }
});
