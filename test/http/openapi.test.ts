import { strict as assert } from 'node:assert';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { ERRORS } from '../../src/chat/errors.ts';
import { EXAMPLES } from '../../src/wire/examples.ts';
import { openTestApi, type TestApi } from '../support/test-api.ts';

type Json = Record<string, unknown>;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly deprecated?: boolean;
  readonly security: readonly object[];
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: Json }[];
  readonly requestBody?: { required: boolean; content: Record<string, { schema: Json }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema?: Json }> }>;
}

interface Document {
  readonly openapi: string;
  readonly info: Json;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, Json>; examples: Record<string, Json>; securitySchemes: Json };
}

/** Every operation that must be there, aliases included. */
const OPERATIONS = `
get /asyncapi.json
get /docs
get /docs/errors
get /docs/start.js
get /livez
get /metrics
get /openapi.json
get /readyz
get /v1/accounts/validate
post /v1/accounts/guest
post /v1/accounts/revocations
delete /v1/chat/rooms/leave/{id}
delete /v1/chat/rooms/{id}
delete /v1/chat/rooms/{id}/bans/{user}
delete /v1/chat/rooms/{id}/members/me
delete /v1/chat/rooms/{id}/members/{user}
delete /v1/chat/rooms/{id}/messages/{mid}
delete /v1/chat/users/me/messages
delete /v1/chat/users/{user}/messages
get /v1/chat/rooms
get /v1/chat/rooms/{id}
get /v1/chat/rooms/{id}/members
get /v1/chat/rooms/{id}/messages
get /v1/chat/rooms/{id}/messages/{mid}
get /v1/chat/rooms/{id}/messages/{mid}/image
get /v1/chat/rooms/{id}/presence
patch /v1/chat/rooms/{id}
patch /v1/chat/rooms/{id}/messages/{mid}
post /v1/chat/rooms
post /v1/chat/rooms/join/{id}
post /v1/chat/rooms/message/{id}
post /v1/chat/rooms/{id}/messages
post /v1/chat/sync
put /v1/chat/rooms/{id}/bans/{user}
put /v1/chat/rooms/{id}/members/me
put /v1/chat/rooms/{id}/members/{user}
put /v1/chat/rooms/{id}/read
`
  .trim()
  .split('\n');

function* referencesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string') yield inner;
    else yield* referencesIn(inner);
  }
}

describe('REST: the OpenAPI document', () => {
  let api: TestApi;
  let document: Document;
  let operations: { name: string; path: string; it: Operation }[];

  beforeAll(async () => {
    api = await openTestApi();
    const answer = await api.call('GET /openapi.json');
    assert.equal(answer.headers['content-type'], 'application/json');
    document = JSON.parse(answer.text) as Document;
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, it]) => ({ name: `${method} ${path}`, path, it })),
    );
  });
  afterAll(() => api.close());

  it('has its frame', () => {
    assert.match(document.openapi, /^3\.1\.\d+$/);
    assert.equal(document.info.version, '0.0.0-test');
    assert.ok('token' in document.components.securitySchemes);
  });

  it('has every operation', () => assert.deepEqual(operations.map((it) => it.name).sort(), [...OPERATIONS].sort()));

  it('names each operation once', () => {
    const ids = operations.map(({ it }) => it.operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[a-z][A-Za-z]*$/);
  });

  it('resolves every reference and keeps no component that nobody needs', () => {
    const references = new Set(referencesIn(document));
    for (const reference of references) {
      const [, kind, name = ''] = /^#\/components\/(schemas|examples)\/(\w+)$/.exec(reference) ?? [];
      assert.ok(kind && name in document.components[kind === 'schemas' ? 'schemas' : 'examples'], reference);
    }
    for (const kind of ['schemas', 'examples'] as const) {
      for (const name of Object.keys(document.components[kind])) {
        assert.ok(references.has(`#/components/${kind}/${name}`), name);
      }
    }
    for (const name of ['Room', 'Message', 'Page', 'Problem', 'Draft'])
      assert.ok(name in document.components.schemas, name);
  });

  it('describes exactly the parameters of each path', () => {
    for (const { name, path, it } of operations) {
      const inPath = it.parameters.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name);
      const braces = [...path.matchAll(/\{(\w+)\}/g)].map(([, word]) => word);
      assert.deepEqual(inPath.sort(), braces.sort(), name);
      for (const parameter of it.parameters) {
        assert.equal(parameter.required, parameter.in === 'path', `${name} ${parameter.name}`);
        assert.ok('type' in parameter.schema || 'enum' in parameter.schema, `${name} ${parameter.name}`);
      }
    }
    const history = document.paths['/v1/chat/rooms/{id}/messages'];
    const limit = history?.get?.parameters.find((it) => it.name === 'limit');
    assert.equal(limit?.schema.type, 'integer');
    assert.ok(history?.post?.parameters.some((it) => it.in === 'header' && it.name === 'Idempotency-Key'));
  });

  it('documents what goes well and every problem by a code of the table', () => {
    for (const { name, it } of operations) {
      const statuses = Object.keys(it.responses).map(Number);
      assert.ok(
        statuses.some((status) => status < 300),
        name,
      );
      for (const [status, { description, content }] of Object.entries(it.responses)) {
        assert.ok(description.length > 0, name);
        const problem = content?.['application/problem+json'];
        if (!problem) continue;
        assert.deepEqual(problem.schema, { $ref: '#/components/schemas/Problem' });
        const codes = [...description.matchAll(/(\w+) \((\d+)\)/g)];
        assert.ok(codes.length > 0, `${name} ${status}`);
        for (const [, code = '', error] of codes) {
          const row = Object.entries(ERRORS).find(([known]) => known === code)?.[1];
          assert.ok(
            row?.error === Number(error) && row.status.some((it) => it === Number(status)),
            `${name} ${status} ${code}`,
          );
        }
      }
      const auth = it.security.length > 0;
      assert.equal(statuses.includes(401), auth, name);
      if (it.requestBody)
        for (const status of [400, 413, 415]) assert.ok(statuses.includes(status), `${name} ${status}`);
    }
  });

  it('marks the earlier server’s paths and their bodies as the same', () => {
    const alias = document.paths['/v1/chat/rooms/message/{id}']?.post;
    const now = document.paths['/v1/chat/rooms/{id}/messages']?.post;
    assert.equal(alias?.deprecated, true);
    assert.equal(now?.deprecated, undefined);
    assert.deepEqual(alias?.requestBody, now?.requestBody);
    assert.deepEqual(now?.requestBody, {
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Draft' }, example: EXAMPLES.draft } },
    });
    assert.equal(document.paths['/v1/chat/rooms/{id}/bans/{user}']?.put?.requestBody?.required, false);
  });
});
