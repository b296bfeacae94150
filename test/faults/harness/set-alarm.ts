import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from '../../support/engines.ts';

/** A RabbitMQ that was started in `dir` takes nothing from publishers while it is alarmed. Resolves when it is so. */
export async function setAlarm({ port }: Engine, dir: string, on: boolean): Promise<void> {
  const env = {
    PATH: process.env.PATH,
    HOME: join(dir, 'home'),
    RABBITMQ_NODENAME: `t${port}@localhost`,
    ERL_EPMD_PORT: String(port + 2),
  };
  // Of the machine's memory; 0.4 is its default.
  const args = ['set_vm_memory_high_watermark', on ? '0' : '0.4'];
  await promisify(execFile)('/usr/lib/rabbitmq/bin/rabbitmqctl', args, { env });
}
