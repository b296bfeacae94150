import { takeReplies } from '../bots/take-replies.ts';
import type { Chat } from '../chat/chat.ts';
import type { Jobs } from '../chat/ports/jobs.ts';
import type { Log } from '../chat/ports/log.ts';
import type { Config } from '../config/parse-config.ts';
import type { Link } from '../platform/link.ts';
import type { Reach } from '../platform/reach.ts';
import type { Resources } from '../platform/resources.ts';

const PREFETCH = 50;

export interface OpenedJobs {
  readonly jobs: Jobs;
  /** Words that some bot answers. */
  readonly commands: ReadonlySet<string>;
  /** For readiness. */
  readonly reach: () => Reach;
  /** Takes what bots say from now on; with the local broker the bots themselves start here, too. */
  readonly start: (chat: Chat) => Promise<void>;
}

interface JobsParts {
  readonly link: Link;
  readonly held: Resources;
  readonly log: Log;
  /** Told of every message of a queue that was put aside, with a code of the error table. */
  readonly onPutAside: (reason: string) => void;
}

/** The queues of commands and replies as a worker uses them. */
export async function openJobs(
  { broker, bots: settings }: Pick<Config, 'broker' | 'bots'>,
  parts: JobsParts,
): Promise<OpenedJobs> {
  const { link, held, log, onPutAside } = parts;
  switch (broker.kind) {
    case 'local': {
      const [{ sampleBots }, { runBots }, { LocalJobs }] = await Promise.all([
        import('../bots/sample-bots.ts'),
        import('../bots/run-bots.ts'),
        import('../drivers/jobs/local/local-jobs.ts'),
      ]);
      const bots = sampleBots({ stockUrl: settings.stockUrl, log });
      const jobs = new LocalJobs(link);
      return {
        jobs,
        commands: new Set(bots.flatMap((it) => it.words)),
        reach: () => 'here',
        async start(chat) {
          await takeReplies(chat, PREFETCH);
          await runBots({ jobs, clock: chat.clock, prefetch: PREFETCH }, bots);
        },
      };
    }
    case 'rabbitmq': {
      const { RabbitmqJobs } = await import('../drivers/jobs/rabbitmq/rabbitmq-jobs.ts');
      const jobs = held.own('broker', new RabbitmqJobs({ ...broker, log, onPutAside }), (it) => it.close());
      return {
        jobs,
        commands: new Set(settings.commands),
        reach: () => jobs.reach,
        start: (chat) => takeReplies(chat, broker.prefetch),
      };
    }
    default:
      return broker satisfies never;
  }
}
