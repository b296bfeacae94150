import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import newman, { type Summary } from 'newman';
import { issueToken } from '../../src/start/issue-token.ts';
import { rest } from '../support/rest.ts';
import { ROOT } from '../support/root.ts';
import type { SpawnedServer } from '../support/spawn-server.ts';
import { TestBed } from '../support/test-bed.ts';

interface PostmanRequest {
  readonly method: string;
  readonly url: { readonly path: readonly string[] };
  readonly body?: { readonly raw: string };
}

interface Collection {
  readonly item: readonly {
    readonly name: string;
    readonly item: readonly { readonly id: string; readonly request: PostmanRequest }[];
  }[];
  readonly variable: readonly { readonly key: string }[];
}

const lineOf = ({ method, url }: PostmanRequest): string => `${method.toLowerCase()} /${url.path.join('/')}`;

describe('documents: the Postman collection', () => {
  const bed = new TestBed();
  let server: SpawnedServer;
  let collection: Collection;

  beforeAll(async () => {
    collection = JSON.parse(await readFile(join(ROOT, 'docs/postman.json'), 'utf8')) as Collection;
    server = await bed.server();
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  const run = async (collection: Collection): Promise<Summary> => {
    const serviceToken = await issueToken(
      { DATA_DIR: server.options.dataDir },
      { name: 'Service', roles: ['service'], type: '2', days: '1' },
    );
    const envVar = [
      { key: 'baseUrl', value: server.url },
      { key: 'serviceToken', value: serviceToken },
    ];
    return new Promise((resolve, reject) => {
      newman.run({ collection, envVar, reporters: [], timeoutRequest: 10_000 }, (error, summary) =>
        error ? reject(error) : resolve(summary),
      );
    });
  };

  it('requests every operation that the server documents', async () => {
    const { body } = await rest<{ paths: Record<string, object> }>(server.url, 'GET /openapi.json');
    const documented = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    );
    const requested = collection.item.flatMap((folder) => folder.item.map(({ request }) => lineOf(request)));
    assert.deepEqual([...new Set(requested)].sort(), documented.sort());
    assert.ok(documented.length > 30);
  });

  it('has ids of its own and variables for what differs', () => {
    const ids = collection.item.flatMap((folder) => folder.item.map((it) => it.id));
    assert.equal(new Set(ids).size, ids.length);
    const names = collection.variable.map((it) => it.key);
    for (const name of ['baseUrl', 'token', 'room', 'message']) assert.ok(names.includes(name), name);
    for (const [, name = ''] of JSON.stringify(collection).matchAll(/\{\{([^}$]+)\}\}/g)) {
      assert.ok(names.includes(name), name);
    }
  });

  it('runs from top to bottom without a failure, and again', async () => {
    for (let round = 0; round < 2; round += 1) {
      const { failures, executions, stats } = (await run(collection)).run;
      assert.deepEqual(
        failures.map(({ error, source }) => `${source?.name}: ${error.message}`),
        [],
      );
      assert.equal(stats.requests.total, collection.item.flatMap((folder) => folder.item).length);
      for (const { item, response } of executions) assert.ok((response?.code ?? 0) < 300, item.name);
    }
  }, 90_000);

  it('fails where the server does not answer as documented', async () => {
    const broken = structuredClone(collection);
    const sent = broken.item.find((it) => it.name === 'messages')?.item[0]?.request.body as { raw: string };
    sent.raw = '{"message":""}';
    const { failures } = (await run(broken)).run;
    assert.ok(failures.length > 0);
  }, 60_000);
});
