/** All mistakes of an environment at once, one sentence each; holds no value of a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `the configuration has ${problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`}:\n${problems.map((it) => `  - ${it}`).join('\n')}`,
    );
    this.problems = problems;
  }
}
