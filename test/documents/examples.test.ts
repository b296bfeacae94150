import { strict as assert } from 'node:assert';
import { describe, it } from '@jest/globals';
import { z } from 'zod';
import { createRoutes } from '../../src/http/create-api.ts';
import { createOpenApi } from '../../src/http/openapi.ts';
import { waysOf } from '../../src/http/route-table.ts';
import { problem } from '../../src/wire/problem.ts';

interface Media {
  readonly example?: unknown;
  readonly examples?: Record<string, { $ref: string }>;
}

interface Operation {
  readonly parameters: readonly { name: string; in: string; example?: unknown }[];
  readonly requestBody?: { content: Record<string, Media> };
  readonly responses: Record<string, { content?: Record<string, Media> }>;
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { examples: Record<string, { summary: string; value: unknown }> };
}

const run = (): never => {
  throw new Error('routes are only described here');
};
const groups = createRoutes(
  { guests: { createGuest: run }, guestRate: null, readiness: run, renderMetrics: run, version: '1.0.0' },
  run,
);
const document = createOpenApi(groups, '1.0.0') as unknown;

function operationAt(path: string, method: string): Operation {
  const found = (document as Document).paths[path]?.[method];
  if (!found) throw new Error(`the document has no ${method} ${path}`);
  return found;
}

const strict = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodObject && !schema.def.catchall ? schema.strict() : schema;

const ways = waysOf(Object.values(groups).flat());

describe('documents: the examples of OpenAPI', () => {
  it.each(ways.map((it) => [`${it.method} ${it.path}`, it] as const))('%s', (_name, { method, path, route }) => {
    const { parameters, requestBody, responses } = operationAt(path, method);
    const shapes: Record<string, z.ZodObject | undefined> = {
      path: route.params,
      query: route.query,
      header: route.headers,
    };
    for (const { name, in: place, example } of parameters) {
      const schema = shapes[place]?.shape[place === 'header' ? name.toLowerCase() : name];
      assert.ok(schema instanceof z.ZodType, name);
      assert.notEqual(example, undefined, name);
      // As they come over the line.
      schema.parse(String(example));
    }
    if (route.body) strict(route.body).parse(requestBody?.content['application/json']?.example);
    for (const [status, { content = {} }] of Object.entries(responses)) {
      const { schema } = route.responses[Number(status)] ?? {};
      if (schema) strict(schema).parse(content['application/json']?.example);
    }
  });

  it('shows every problem that is documented', () => {
    const { examples } = (document as Document).components;
    const statusOf = (name: string): unknown => problem.strict().parse(examples[name]?.value).status;
    let shown = 0;
    for (const { method, path } of ways) {
      for (const [status, { content = {} }] of Object.entries(operationAt(path, method).responses)) {
        const media = content['application/problem+json'];
        if (!media) continue;
        const names = Object.keys(media.examples ?? {});
        assert.ok(names.length > 0, `${method} ${path} ${status}`);
        for (const name of names) assert.equal(statusOf(name), Number(status), name);
        shown += names.length;
      }
    }
    assert.ok(shown > 100);
  });
});
