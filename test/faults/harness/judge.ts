import assert from 'node:assert/strict';
import { addFindings, checkLog, type Findings, noFindings } from '../../../src/verify/check-log.ts';
import { readHistory } from '../../support/rest.ts';
import type { LoadResult } from './load.ts';
import type { ClientJournal } from './load-plan.ts';
import type { PreparedChat } from './prepare-chat.ts';

/** What was missed: the only question that a server without a history can be asked, too. */
export interface Losses {
  /** Messages for which a client holds a receipt. */
  readonly acknowledged: number;
  /** Of these, those that a member of the room does not hold. */
  readonly missed: number;
  /** The same, counted for each member that should hold them. */
  readonly due: number;
  readonly missing: number;
}

export interface Verdict {
  readonly losses: Losses;
  readonly stored: number;
  readonly findings: Findings;
}

/** Holds the receipts of a room against the list of each of its members. */
export function lossesOf(journals: readonly ClientJournal[]): Losses {
  const losses = { acknowledged: 0, missed: 0, due: 0, missing: 0 };
  for (const room of new Set(journals.map((it) => it.room))) {
    const here = journals.filter((it) => it.room === room);
    const acked = new Set(here.flatMap((it) => it.acked.map(({ clientId }) => clientId)));
    const missed = new Set<string>();
    for (const { applied } of here) {
      const held = new Set(applied.map((it) => it.clientId));
      const missing = [...acked].filter((it) => !held.has(it));
      losses.missing += missing.length;
      for (const it of missing) missed.add(it);
    }
    losses.acknowledged += acked.size;
    losses.missed += missed.size;
    losses.due += acked.size * here.length;
  }
  return losses;
}

/**
 * Reads every room's history over REST, and compares what the clients were told and hold with it, element by element.
 * Also finds what stands in a history and was sent by nobody.
 */
export async function judge(url: string, chat: PreparedChat, { journals, sent }: LoadResult): Promise<Verdict> {
  const findings = noFindings();
  let stored = 0;
  for (const room of chat.rooms) {
    const history = await readHistory(url, chat.owner.token, room);
    stored += history.length;
    const here = journals.filter((it) => it.room === room);
    if (here.length === 0) findings.broken.push(`nobody followed ${room}`);
    const found = checkLog(room, history, here);
    addFindings(findings, found);
  }
  if (stored > sent) findings.broken.push(`${stored} are stored, and ${sent} were sent`);
  return { losses: lossesOf(journals), stored, findings };
}

/** Nothing was lost, doubled, swapped or left open, and there was something to lose. */
export function assertWell({ losses, findings }: Verdict, { refusals, unsettled }: LoadResult): void {
  assert.deepEqual(findings, noFindings());
  assert.deepEqual([...refusals], []);
  assert.equal(unsettled, 0, 'some have no receipt at the end');
  assert.equal(losses.missed, 0);
  assert.ok(losses.acknowledged > 0, 'void: nothing was acknowledged');
}
