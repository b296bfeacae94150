import { describe, expect, it } from '@jest/globals';
import { Resources } from './resources.ts';

describe('Resources', () => {
  it('closes newest first, one after the other', async () => {
    const held = new Resources();
    const seen: string[] = [];
    const close = (name: string) => async () => {
      seen.push(`${name} begins`);
      await Promise.resolve();
      seen.push(`${name} ends`);
    };
    expect(held.own('store', 'the store', close('store'))).toBe('the store');
    held.own('http', 'the server', close('http'));
    await held.closeAll(1000);
    expect(seen).toEqual(['http begins', 'http ends', 'store begins', 'store ends']);
  });

  it('keeps every failure and still closes the rest, also when one hangs', async () => {
    const held = new Resources();
    let closed = 0;
    const broken = new Error('broken pipe');
    held.own('store', 1, () => {
      closed += 1;
    });
    held.own('bus', 2, () => {
      throw broken;
    });
    held.own('jobs', 3, () => Promise.reject(new Error('no')));
    held.own('http', 4, () => new Promise(() => {}));
    const failure: unknown = await held.closeAll(20).catch((error: unknown) => error);
    expect(closed).toBe(1);
    expect(failure).toBeInstanceOf(AggregateError);
    const errors: Error[] = failure instanceof AggregateError ? failure.errors : [];
    expect(errors.map((it) => it.message)).toEqual(['closing http', 'closing jobs', 'closing bus']);
    expect(errors[0]?.cause).toEqual(new Error('not done within 20 ms'));
    expect(errors[2]?.cause).toBe(broken);
  });

  it('closes once however often it is asked', async () => {
    const held = new Resources();
    let closed = 0;
    held.own('store', 1, async () => {
      closed += 1;
    });
    await Promise.all([held.closeAll(1000), held.closeAll(1000)]);
    await held.closeAll(1000);
    expect(closed).toBe(1);
  });

  it('closes what comes too late and stops its start', async () => {
    const held = new Resources();
    const seen: string[] = [];
    held.own('early', 1, () => seen.push('early'));
    await held.closeAll(1000);
    expect(() => held.own('late', 2, () => seen.push('late'))).toThrow('late was opened while everything is closing');
    await held.closeAll(1000);
    expect(seen).toEqual(['early', 'late']);
  });

  it('closes what a failed start had opened, and tells of that start', async () => {
    const held = new Resources();
    const failure = new Error('port in use');
    let closed = false;
    const start = held.start(async (it) => {
      it.own('store', 1, () => {
        closed = true;
      });
      throw failure;
    }, 1000);
    await expect(start).rejects.toBe(failure);
    expect(closed).toBe(true);
  });

  it('tells of both when closing after a failed start fails too', async () => {
    const held = new Resources();
    const start = held.start(async (it) => {
      it.own('store', 1, () => Promise.reject(new Error('locked')));
      throw new Error('port in use');
    }, 1000);
    await expect(start).rejects.toMatchObject({ errors: [{ message: 'port in use' }, { message: /closing store/ }] });
  });

  it('gives the result of a start that went well and keeps everything open', async () => {
    const held = new Resources();
    let closed = false;
    expect(
      await held.start(
        async (it) =>
          it.own('store', 7, () => {
            closed = true;
          }),
        1000,
      ),
    ).toBe(7);
    expect(closed).toBe(false);
    await held.closeAll(1000);
    expect(closed).toBe(true);
  });
});
