import { describe, expect, it } from '@jest/globals';
import { type Acked, checkLog, type Findings, type Witness } from './check-log.ts';
import type { LoggedMessage } from './room-journal.ts';

const message = (seq: number): LoggedMessage => ({ id: `id${seq}`, seq, message: `text ${seq}`, clientId: `c${seq}` });
const history = [1, 2, 3, 4].map(message);
const receipt = (seq: number): Acked => ({ room: 'r', clientId: `c${seq}`, id: `id${seq}`, seq });
const witness = (over: Partial<Witness> = {}): Witness => ({
  name: 'w',
  acked: [receipt(2), receipt(4)],
  applied: history,
  faults: [],
  ...over,
});
const counts = ({ broken, lost, different, faults }: Findings) => [
  broken.length,
  lost.length,
  different.length,
  faults.length,
];

describe('checkLog', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(counts(checkLog('r', history, [witness(), witness({ applied: undefined })]))).toEqual([0, 0, 0, 0]);
  });

  it('finds an acknowledged message that is missing, or stored as another', () => {
    expect(counts(checkLog('r', history, [witness({ acked: [receipt(5)] })]))).toEqual([0, 1, 0, 0]);
    expect(counts(checkLog('r', history, [witness({ acked: [{ ...receipt(2), seq: 3 }] })]))).toEqual([0, 1, 0, 0]);
    expect(counts(checkLog('r', history, [witness({ acked: [{ ...receipt(2), id: 'x' }] })]))).toEqual([0, 1, 0, 0]);
  });

  it('asks only about the room', () => {
    expect(counts(checkLog('r', history, [witness({ acked: [{ ...receipt(5), room: 'q' }] })]))).toEqual([0, 0, 0, 0]);
  });

  it('finds a list that lacks, doubles, swaps or changes something', () => {
    const [a, b, c, d] = history as [LoggedMessage, LoggedMessage, LoggedMessage, LoggedMessage];
    for (const applied of [[a, b, c], [a, b, b, c, d], [a, c, b, d], [a, b, c, { ...d, message: 'else' }], []]) {
      expect(counts(checkLog('r', history, [witness({ applied })]))).toEqual([0, 0, 1, 0]);
    }
  });

  it('finds a history with a hole, a repetition or a key twice', () => {
    const witnesses: Witness[] = [];
    expect(checkLog('r', [message(1), message(3)], witnesses).broken).toHaveLength(1);
    expect(checkLog('r', [message(1), { ...message(2), clientId: 'c1' }], witnesses).broken).toHaveLength(1);
    expect(checkLog('r', [message(1), { ...message(2), id: 'id1' }], witnesses).broken).toHaveLength(1);
  });

  it('passes on what a client saw', () => {
    expect(checkLog('r', history, [witness({ faults: ['live 3 came after live 1'] })]).faults).toEqual([
      'w: live 3 came after live 1',
    ]);
  });
});
