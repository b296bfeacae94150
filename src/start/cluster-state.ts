/** What the primary tells its workers of the whole, for `/readyz`. */
export interface ClusterState {
  /** All workers have listened at least once: new connections go round. */
  readonly complete: boolean;
  /** The last commit failed and none has succeeded since. */
  readonly storeAway: boolean;
  /** Some worker runs other code than the primary: only a full restart brings them together. */
  readonly restartWanted: boolean;
}

/** The topics and calls of the link between the processes of a server. */
export const TOPICS = {
  /** primary → worker: {@link ClusterState} */
  state: 'cluster.state',
  /** primary → worker: finish and exit; the payload is a {@link StopOrder}. */
  stop: 'cluster.stop',
  /** primary → one worker: remove what is too old. */
  cleanUp: 'cluster.cleanUp',
  /** primary → worker, a call: to hear something of it. */
  alive: 'cluster.alive',
  /** worker → primary, told once: listens; the payload is its {@link Hello}. */
  listening: 'cluster.listening',
  /** worker → primary, a call: it has closed its listener. Answered behind all connections that were handed to it before. */
  closed: 'cluster.closed',
  /** worker → primary, a call: it waits for its sessions no longer. Answered behind the last connection that is handed to it. */
  leaving: 'cluster.leaving',
  /** worker → primary, a call: metrics of all processes as text. */
  metrics: 'cluster.metrics',
  /** primary → worker, a call: the worker's metrics as JSON. */
  ownMetrics: 'cluster.metrics.own',
  /** worker → primary, a call: one write of the store. */
  write: 'store.write',
} as const;

export interface StopOrder {
  /** Every worker goes: nobody takes the place of this one. */
  readonly all: boolean;
}

export interface Hello {
  readonly version: string;
  readonly address: string;
  readonly port: number;
}

/** A connection on its way to the worker that holds its session, or takes a new one: goes beside the link, the socket as handle. */
export interface HandOverMessage {
  readonly handOver: string;
  readonly head: Uint8Array;
}

export const isHandOver = (message: unknown): message is HandOverMessage =>
  typeof message === 'object' && message !== null && 'handOver' in message && 'head' in message;
