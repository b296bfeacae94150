/** Settings of parts that are planned only. Ignoring one would start something else than was asked for. */
interface NotBuilt {
  readonly names: readonly string[];
  /** The one value that changes nothing, and so is accepted. */
  readonly harmless?: string;
  readonly instead: string;
}

const NOT_BUILT: readonly NotBuilt[] = [
  { names: ['MONGODB_URI'], instead: 'the mongodb store is not built yet; leave it out and use STORE=sqlite' },
  { names: ['POSTGRES_URL'], instead: 'the postgres drivers are not built yet; leave it out and use STORE=sqlite' },
  {
    names: ['REDIS_SERVER', 'REDIS_PORT', 'REDIS_KEY', 'REDIS_PASSWORD', 'REDIS_URL'],
    instead: 'the redis drivers are not built yet; leave it out and use FANOUT=cluster',
  },
  {
    names: [
      'AMQP_PROTOCOL',
      'AMQP_SERVER',
      'AMQP_PORT',
      'AMQP_USERNAME',
      'AMQP_PASSWORD',
      'AMQP_VHOST',
      'AMQP_URL',
      'AMQP_QUEUE',
      'AMQP_BOT_QUEUE',
      'AMQP_BOT_QUEUE_BOT',
      'AMQP_QUEUE_MODE',
      'AMQP_DECLARE',
      'AMQP_PREFETCH',
    ],
    instead: 'the rabbitmq broker is not built yet; leave it out and use BROKER=local',
  },
  {
    names: ['KAFKA_BROKERS', 'KAFKA_TOPIC'],
    instead: 'the kafka drivers are not built yet; leave it out and use FANOUT=cluster and BROKER=local',
  },
  { names: ['AUTH_JWKS_URL'], instead: 'AUTH_MODE=jwt is not built yet; leave it out and use AUTH_SERVER' },
  { names: ['RETENTION_DAYS'], harmless: '0', instead: 'retention is not built yet; leave it out, nothing is trimmed' },
  { names: ['BOT_TOKEN_MODE'], harmless: 'ticket', instead: 'bots outside the server are not built yet; leave it out' },
  {
    names: [
      'HA_MODE',
      'HA_LEASE_MS',
      'HA_RENEW_MS',
      'HA_INSTANCES',
      'HA_SECRET',
      'HA_WECHATY_PUPPET',
      'HA_WECHATY_PUPPET_TOKEN',
    ],
    instead: 'gateways are not built yet; leave it out',
  },
];

/** Every name of {@link NOT_BUILT} and its form as a file. */
export const NOT_BUILT_NAMES: readonly string[] = NOT_BUILT.flatMap((it) =>
  it.names.flatMap((name) => [name, `${name}_FILE`]),
);

/** A sentence for each setting in `env` that nothing here answers to; values are never quoted, some are secret. */
export function refuseNotBuilt(env: Readonly<NodeJS.ProcessEnv>): string[] {
  const isSet = (name: string, harmless?: string): boolean => {
    const text = env[name]?.trim() ?? '';
    return text !== '' && text !== harmless;
  };
  return NOT_BUILT.flatMap(({ names, harmless, instead }) =>
    names.flatMap((name) =>
      [name, `${name}_FILE`].filter((it) => isSet(it, harmless)).map((it) => `${it}: ${instead}`),
    ),
  );
}
