/** A bot that runs inside the server. */
export interface Bot {
  /** Owner of its messages. */
  readonly id: string;
  readonly name: string;
  /** Commands it answers, in lower case without `/`. */
  readonly words: readonly string[];
  /** The visible answer to a command. What it throws makes the queue deliver the command again. */
  answer(args: string): Promise<string>;
}
