import type { Acked } from '../../../src/verify/check-log.ts';
import type { LoggedMessage } from '../../../src/verify/room-journal.ts';

/** Somebody of the load, in one room. */
export interface Member {
  readonly name: string;
  readonly token: string;
  readonly room: string;
}

export interface LoadPlan {
  readonly url: string;
  readonly members: readonly Member[];
  /** Messages a second, of all members in turn, whatever the server does. */
  readonly perSecond: number;
  /** False over a server that keeps no history: nobody asks for what was missed. */
  readonly catchesUp: boolean;
}

/** How one attempt to send ended. What has no receipt is sent again under the same clientId. */
export interface Answer {
  readonly kind: 'answer';
  readonly at: number;
  readonly client: string;
  /** Worker that held the connection. */
  readonly node: string;
  readonly clientId: string;
  /** `unknown`: no answer came, so it is stored once or not at all. */
  readonly outcome: 'acked' | 'retry' | 'refused' | 'unknown';
  /** Since this attempt began. */
  readonly tookMs: number;
  /** Since the message should have been sent first. */
  readonly sinceDueMs: number;
}

/** A connection ended that its client did not close. */
export interface Cut {
  readonly kind: 'cut';
  readonly at: number;
  readonly client: string;
  readonly node: string;
}

/** A client is connected again, on that worker, and has caught up. */
export interface Back {
  readonly kind: 'back';
  readonly at: number;
  readonly client: string;
  readonly node: string;
}

export type LoadEvent = Answer | Cut | Back;

/** A live message at a member: when it came, how long after it should have been sent, and whether over another worker. */
export type Delivery = readonly [at: number, sinceDueMs: number, fromElsewhere: boolean];

/** What one client was told and holds. */
export interface ClientJournal {
  readonly name: string;
  readonly room: string;
  readonly acked: readonly Acked[];
  /** The room's log as this client has applied it; what came live where nobody catches up. */
  readonly applied: readonly LoggedMessage[];
  readonly faults: readonly string[];
  readonly deliveries: readonly Delivery[];
}

export interface LoadSummary {
  /** Messages that were sent once at least. */
  readonly sent: number;
  /** Those without a receipt at the end. */
  readonly unsettled: number;
  /** Answers that no repetition can mend. */
  readonly refusals: readonly string[];
  /** The load's own event loop, p99: what it measures is worth nothing when this is long. */
  readonly loopDelayMs: number;
  /** Of one core. */
  readonly cpuShare: number;
  /** Of all cores, by whatever ran. */
  readonly machineShare: number;
}

export type ToLoad = { readonly kind: 'start'; readonly plan: LoadPlan } | { readonly kind: 'stop' };
export type FromLoad =
  | LoadEvent
  | { readonly kind: 'in' }
  | { readonly kind: 'journal'; readonly journal: ClientJournal }
  | { readonly kind: 'end'; readonly summary: LoadSummary };
