import { runBots } from '../bots/run-bots.ts';
import { sampleBots } from '../bots/sample-bots.ts';
import type { BotsConfig } from '../config/parse-config.ts';
import { RabbitmqBotJobs } from '../drivers/jobs/rabbitmq/rabbitmq-bot-jobs.ts';
import type { Logger } from '../platform/logger.ts';
import type { Resources } from '../platform/resources.ts';
import { systemClock } from './system-clock.ts';

/** The composition root of the sample bots as a process of their own: the broker, the bots, and nothing of the chat. */
export async function startBots(config: BotsConfig, held: Resources, log: Logger, onReady: () => void): Promise<void> {
  const { broker, stockUrl, graceMs } = config;
  let isReady = false;
  const options = {
    ...broker,
    log,
    onReach: (reach: string) => {
      if (isReady || reach !== 'here') return;
      isReady = true;
      onReady();
    },
  };
  const jobs = held.own('broker', new RabbitmqBotJobs(options), (it) => it.close(graceMs));
  await runBots({ jobs, clock: systemClock, prefetch: broker.prefetch }, sampleBots({ stockUrl, log }));
}
