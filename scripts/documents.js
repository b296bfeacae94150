// `npm run documents [folder]`: writes the documents that come from the schemas of the wire (docs/ where none is given).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPostman } from './create-postman.js';
import { readDocuments } from './read-documents.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = resolve(process.argv[2] ?? join(root, 'docs'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const { openapi, asyncapi } = await readDocuments(version);
const documents = { openapi, asyncapi, postman: await createPostman(openapi) };

mkdirSync(folder, { recursive: true });
for (const [name, it] of Object.entries(documents)) {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, `${JSON.stringify(it, null, 2)}\n`);
  console.log(file);
}
