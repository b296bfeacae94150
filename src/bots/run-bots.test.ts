import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { BotCommand, BotReply, Take } from '../chat/ports/jobs.ts';
import { LATE_MS } from '../chat/ports/jobs.ts';
import type { Bot } from './bot.ts';
import { runBots } from './run-bots.ts';

const bot: Bot = { id: 'bot-echo', name: 'Echo', words: ['echo'], answer: async (args) => `You said ${args}` };

async function start(takeReply: Take<BotReply> = async () => {}) {
  const clock = new FakeClock(1_000_000);
  const replies: BotReply[] = [];
  let run: Take<BotCommand> = () => assert.fail('nothing consumes');
  const jobs = {
    consume: async (_prefetch: number, it: Take<BotCommand>) => {
      run = it;
    },
    reply: async (reply: BotReply) => {
      replies.push(reply);
      await takeReply(reply);
    },
  };
  await runBots({ jobs, clock, prefetch: 1 }, [bot]);
  return { clock, replies, run };
}

const command = { chatroom: 'room', token: 'token', message: '/echo a', command: 'echo', args: 'a' };

describe('bots', () => {
  it('hand back what they answer, with the token as it came', async () => {
    const { clock, replies, run } = await start();
    await run({ ...command, id: 'c1', user: { id: 'ana', name: 'Ana' }, deadline: clock.now() });
    assert.deepEqual(replies, [
      {
        chatroom: 'room',
        token: 'token',
        message: 'You said a',
        id: 'c1:bot-echo:0',
        inReplyTo: 'c1',
        n: 0,
        bot: { id: 'bot-echo', name: 'Echo' },
      },
    ]);
  });

  it('answer three fields with three fields', async () => {
    const { replies, run } = await start();
    await run(command);
    assert.deepEqual(replies, [{ chatroom: 'room', token: 'token', message: 'You said a' }]);
  });

  it('do not work for nobody', async () => {
    const { clock, replies, run } = await start();
    await run({ ...command, id: 'c1', deadline: clock.now() - LATE_MS - 1 });
    assert.deepEqual(replies, []);
    await run({ ...command, id: 'c2', deadline: clock.now() - LATE_MS });
    assert.equal(replies.length, 1);
  });

  it('leave a command unsettled that they do not know, or whose answer nobody took', async () => {
    const { run } = await start(() => Promise.reject(new Error('no queue')));
    await assert.rejects(run({ ...command, command: 'other' }), /no bot here answers \/other/);
    await assert.rejects(run(command), /no queue/);
  });
});
