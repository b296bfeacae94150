import type { Log } from '../chat/ports/log.ts';
import type { Bot } from './bot.ts';
import { createStockBot } from './stock-bot.ts';

/** A command may be as long as a message, and the answer must fit into one as well. */
const NAME_CHARACTERS = 200;

const helloBot: Bot = {
  id: 'bot-hello',
  name: 'Hello bot',
  words: ['hello'],
  answer: async (name) =>
    name === '' ? 'Hello! Tell me a name: /hello=NAME' : `Hello, ${[...name].slice(0, NAME_CHARACTERS).join('')}!`,
};

/** The bots that come with the server, to show what a command is. */
export const sampleBots = (options: { stockUrl: string | undefined; log: Log }): readonly Bot[] => [
  helloBot,
  createStockBot(options),
];
