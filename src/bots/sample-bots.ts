import type { Log } from '../chat/ports/log.ts';
import type { Bot } from './bot.ts';
import { createStockBot } from './stock-bot.ts';

const helloBot: Bot = {
  id: 'bot-hello',
  name: 'Hello bot',
  words: ['hello'],
  answer: async (name) => (name === '' ? 'Hello! Tell me a name: /hello=NAME' : `Hello, ${name}!`),
};

/** The bots that come with the server, to show what a command is. */
export const sampleBots = (options: { stockUrl: string | undefined; log: Log }): readonly Bot[] => [
  helloBot,
  createStockBot(options),
];
