import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../chat/errors.ts';
import { problem } from '../wire/problem.ts';
import type { DocumentedError, ResponseDoc, Route } from './route.ts';
import { type Way, waysOf } from './route-table.ts';

type Json = Record<string, unknown>;

const COMPONENTS = '#/components/schemas/';
const PROBLEM_HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  401: { 'WWW-Authenticate': 'Bearer' },
  429: { 'Retry-After': 'Seconds to wait, at least 1' },
  503: { 'Retry-After': 'Seconds to wait, at least 1' },
};

/** The OpenAPI 3.1 document of the table of routes; the keys of `groups` are its tags. */
export function createOpenApi(groups: Readonly<Record<string, readonly Route[]>>, version: string): Json {
  const schemas = new Schemas();
  const paths: Record<string, Json> = {};
  for (const [tag, routes] of Object.entries(groups)) {
    for (const way of waysOf(routes)) {
      const methods = paths[way.path] ?? {};
      methods[way.method] = operation(way, tag, schemas);
      paths[way.path] = methods;
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley',
      version,
      description: 'Rooms, messages and members of the chat. Errors are listed at /docs/errors.',
    },
    servers: [{ url: '/' }],
    tags: Object.keys(groups).map((name) => ({ name })),
    paths,
    components: {
      schemas: schemas.named,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operation({ method, path, route, alias }: Way, tag: string, schemas: Schemas): Json {
  const { summary, auth, body, responses } = route;
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary: alias ? `${summary} (kept for earlier clients: ${route.method.toUpperCase()} ${route.path})` : summary,
    ...(alias ? { deprecated: true } : {}),
    security: auth ? [{ token: [] }] : [],
    parameters: parameters(route, schemas),
    ...(body
      ? {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: { 'application/json': { schema: schemas.of(body) } },
          },
        }
      : {}),
    responses: {
      ...Object.fromEntries(Object.entries(responses).map(([status, doc]) => [status, success(doc, schemas)])),
      ...problems(route, schemas),
    },
  };
}

const operationId = (method: string, path: string): string =>
  method +
  path
    .replace(/^\/v1\/(?:chat\/)?/, '/')
    .replace(/[{}]/g, '')
    .replace(/[/.]+(\w)/g, (_all, first: string) => first.toUpperCase());

const headerName = (name: string): string => name.replace(/(^|-)\w/g, (it) => it.toUpperCase());

function parameters({ params, query, headers }: Route, schemas: Schemas): Json[] {
  const places = [
    { place: 'path', shape: params?.shape ?? {} },
    { place: 'query', shape: query?.shape ?? {} },
    { place: 'header', shape: headers?.shape ?? {} },
  ];
  return places.flatMap(({ place, shape }) =>
    Object.entries(shape).map(([name, schema]) => ({
      name: place === 'header' ? headerName(name) : name,
      in: place,
      required: place === 'path',
      schema: schemas.parameter(schema),
    })),
  );
}

const headersDoc = (headers: Readonly<Record<string, string>>): Json => ({
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  ),
});

function success({ description, schema, contentTypes = [], headers }: ResponseDoc, schemas: Schemas): Json {
  const content: Json = Object.fromEntries(contentTypes.map((type) => [type, {}]));
  if (schema) content['application/json'] = { schema: schemas.of(schema) };
  return {
    description,
    ...(headers ? headersDoc(headers) : {}),
    ...(Object.keys(content).length > 0 ? { content } : {}),
  };
}

/** What any call of its kind may meet, besides what the route names. */
function errorsOf({ auth, params, query, headers, body, errors, path }: Route): DocumentedError[] {
  const chat = path.startsWith('/v1/');
  return [
    ...errors,
    ...(auth ? (['invalid_token', 'account_service'] as const) : []),
    ...(path.startsWith('/v1/chat/') ? (['role_required'] as const) : []),
    ...(params || query || headers || body || chat ? (['invalid_fields'] as const) : []),
    ...(body ? ([['invalid_fields', 415], 'too_large'] as const) : []),
    ...(chat ? (['try_again', 'internal'] as const) : []),
  ];
}

function problems(route: Route, schemas: Schemas): Json {
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const it of errorsOf(route)) {
    const [code, status] = typeof it === 'string' ? ([it, ERRORS[it].status[0]] as const) : it;
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: `${STATUS_CODES[status]}: ${[...codes].map((it) => `${it} (${ERRORS[it].error})`).join(', ')}`,
        ...headersDoc(PROBLEM_HEADERS[status] ?? {}),
        content: { 'application/problem+json': { schema: schemas.of(problem) } },
      },
    ]),
  );
}

/** JSON schemas out of zod's, with what has a name kept once under `components`. */
class Schemas {
  readonly named: Record<string, unknown> = {};

  /** Of a body. */
  of(schema: z.ZodType): unknown {
    return this.#convert(schema, 'input');
  }

  /** Of a parameter: by what its text stands for, which is how OpenAPI describes them. */
  parameter(schema: unknown): unknown {
    if (!(schema instanceof z.ZodType)) throw new TypeError('a parameter needs a schema of its own');
    return this.#convert(schema, 'output');
  }

  #convert(schema: z.ZodType, io: 'input' | 'output'): unknown {
    // Inside an object even a schema with a name becomes a reference.
    const { properties, $defs = {} } = z.toJSONSchema(z.object({ it: schema }), {
      io,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        if (zodSchema._zod.def.type === 'undefined') jsonSchema.not = {};
      },
    });
    for (const [name, definition] of Object.entries($defs)) this.#name(componentName(name), moved(definition));
    return moved(properties?.it);
  }

  #name(name: string, definition: unknown): void {
    const known = this.named[name];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition)) {
      throw new Error(`two different schemas are named ${name}`);
    }
    this.named[name] = definition;
  }
}

/** The one recursive schema without a name is that of any JSON value. */
const componentName = (name: string): string => (name.startsWith('__schema') ? 'Json' : name);

function moved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(moved);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === '$ref' && typeof inner === 'string'
        ? [key, COMPONENTS + componentName(inner.replace('#/$defs/', ''))]
        : [key, moved(inner)],
    ),
  );
}
