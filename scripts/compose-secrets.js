// Makes the passwords of compose.yaml, once: `node scripts/compose-secrets.js [FOLDER]`, ./secrets when none is named.
// A folder that is there already is left as it is: its passwords are those of running engines.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dir = process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'secrets');
const password = () => randomBytes(24).toString('hex');
const mongodb = password();
const redis = password();
const rabbitmq = password();

const FILES = {
  mongodb_password: mongodb,
  mongodb_key: randomBytes(256).toString('base64'),
  mongodb_uri: `mongodb://parley:${mongodb}@mongodb:27017/chat_srv?authSource=admin&replicaSet=parley`,
  redis_conf: `requirepass ${redis}`,
  redis_url: `redis://:${redis}@redis:6379`,
  rabbitmq_conf: `default_user = parley\ndefault_pass = ${rabbitmq}`,
  amqp_url: `amqp://parley:${rabbitmq}@rabbitmq:5672/%2F`,
};

try {
  mkdirSync(dir, { mode: 0o700 });
} catch (error) {
  if (error.code !== 'EEXIST') throw error;
  console.error(`${dir} is there already and is left as it is`);
  process.exit(1);
}
for (const [name, text] of Object.entries(FILES)) {
  const file = join(dir, name);
  writeFileSync(file, `${text}\n`);
  // Containers read them as users of their own; on this machine the folder keeps others out.
  chmodSync(file, 0o444);
}
console.log(`${Object.keys(FILES).length} files in ${dir}`);
