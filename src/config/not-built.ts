/** Settings of parts that are planned only. Ignoring one would start something else than was asked for. */
interface NotBuilt {
  readonly names: readonly string[];
  /** The one value that changes nothing, and so is accepted. */
  readonly harmless?: string;
  readonly instead: string;
}

const NO_GATEWAYS = 'gateways are not built yet; leave it out';

const NOT_BUILT: readonly NotBuilt[] = [
  {
    names: ['POSTGRES_URL'],
    instead: 'the postgres drivers are not built yet; leave it out and use STORE=sqlite or mongodb',
  },
  {
    names: ['KAFKA_BROKERS', 'KAFKA_TOPIC'],
    instead: 'the kafka drivers are not built yet; leave it out and use FANOUT=redis and BROKER=rabbitmq',
  },
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
    instead: NO_GATEWAYS,
  },
];

/** A puppet's own token: `HA_WECHATY_PUPPET_{PROTOCOL}_TOKEN`. */
const PUPPET_TOKEN = /^HA_WECHATY_PUPPET_\w+_TOKEN(?:_FILE)?$/;

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
  const found = NOT_BUILT.flatMap(({ names, harmless, instead }) =>
    names.flatMap((name) =>
      [name, `${name}_FILE`].filter((it) => isSet(it, harmless)).map((it) => `${it}: ${instead}`),
    ),
  );
  const tokens = Object.keys(env).filter((it) => PUPPET_TOKEN.test(it) && isSet(it));
  return [...found, ...tokens.map((it) => `${it}: ${NO_GATEWAYS}`)];
}
