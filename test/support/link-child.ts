/** The other end of a link in a process of its own; `link.test.ts` talks to it. */
import { ChatError, errorCodec } from '../../src/chat/errors.ts';
import { Link } from '../../src/platform/link.ts';
import { processChannel } from '../../src/start/process-channel.ts';

const link = new Link(processChannel(process), {
  errors: errorCodec,
  deadlineMs: 2000,
  away: (method) => new Error(`the parent is away: ${method}`),
});
const told: unknown[] = [];

link.handle('echo', (payload: unknown) => payload);
link.handle('told', () => told);
link.handle('never', () => new Promise(() => {}));
link.handle('refuse', () => {
  throw new ChatError('slow_mode', 'wait', { retryAfterMs: 1234, data: { why: 'slow' } });
});
link.handle('ask back', (payload: unknown) => link.call('echo', payload));
link.on('note', (payload: unknown) => void told.push(payload));
process.on('disconnect', () => process.exit(0));
link.tell('ready', process.pid);
