import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import { ERRORS, type ErrorCode } from '../chat/errors.ts';
import { EXAMPLES } from '../wire/examples.ts';
import { JsonSchemas } from '../wire/json-schemas.ts';
import { problem } from '../wire/problem.ts';
import { problemType } from './problem.ts';
import type { DocumentedError, ResponseDoc, Route } from './route.ts';
import { type Way, waysOf } from './route-table.ts';

type Json = Record<string, unknown>;

/** What the operations refer to. */
interface Components {
  readonly schemas: JsonSchemas;
  /** Problems by name: a code of the table, with the status where it is not the code's first. */
  readonly problems: Record<string, Json>;
}

const PROBLEM_HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  401: { 'WWW-Authenticate': 'Bearer' },
  429: { 'Retry-After': 'Seconds to wait, at least 1' },
  503: { 'Retry-After': 'Seconds to wait, at least 1' },
};

/** The OpenAPI 3.1 document of the table of routes; the keys of `groups` are its tags. */
export function createOpenApi(groups: Readonly<Record<string, readonly Route[]>>, version: string): Json {
  const components: Components = { schemas: new JsonSchemas('draft-2020-12'), problems: {} };
  const paths: Record<string, Json> = {};
  for (const [tag, routes] of Object.entries(groups)) {
    for (const way of waysOf(routes)) {
      const methods = paths[way.path] ?? {};
      methods[way.method] = operation(way, tag, components);
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
      schemas: components.schemas.named,
      examples: components.problems,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operation({ method, path, route, alias }: Way, tag: string, components: Components): Json {
  const { summary, auth, body, responses } = route;
  const { schemas } = components;
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary: alias ? `${summary} (kept for earlier clients: ${route.method.toUpperCase()} ${route.path})` : summary,
    ...(alias ? { deprecated: true } : {}),
    security: auth ? [{ token: [] }] : [],
    parameters: parameters(route, schemas),
    ...(body
      ? { requestBody: { required: !body.safeParse(undefined).success, content: jsonContent(body, schemas) } }
      : {}),
    responses: {
      ...Object.fromEntries(Object.entries(responses).map(([status, doc]) => [status, success(doc, schemas)])),
      ...problems(route, components),
    },
  };
}

function jsonContent(schema: z.ZodType, schemas: JsonSchemas): Json {
  const converted = schemas.of(schema);
  return { 'application/json': { schema: converted, example: schemas.exampleOf(converted) } };
}

const operationId = (method: string, path: string): string =>
  method +
  path
    .replace(/^\/v1\/(?:chat\/)?/, '/')
    .replace(/[{}]/g, '')
    .replace(/[/.]+(\w)/g, (_all, first: string) => first.toUpperCase());

const headerName = (name: string): string => name.replace(/(^|-)\w/g, (it) => it.toUpperCase());

function parameters({ params, query, headers }: Route, schemas: JsonSchemas): Json[] {
  const places = [
    { place: 'path', shape: params?.shape ?? {} },
    { place: 'query', shape: query?.shape ?? {} },
    { place: 'header', shape: headers?.shape ?? {} },
  ];
  return places.flatMap(({ place, shape }) =>
    Object.entries(shape).map(([name, it]) => {
      const schema = schemas.parameter(it);
      return {
        name: place === 'header' ? headerName(name) : name,
        in: place,
        required: place === 'path',
        schema,
        example: schemas.exampleOf(schema),
      };
    }),
  );
}

const headersDoc = (headers: Readonly<Record<string, string>>): Json => ({
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  ),
});

function success(doc: ResponseDoc, schemas: JsonSchemas): Json {
  const { description, schema, contentTypes = [], headers, example } = doc;
  const shown = example === undefined ? {} : { example };
  const content: Json = {
    ...Object.fromEntries(contentTypes.map((type) => [type, shown])),
    ...(schema ? jsonContent(schema, schemas) : {}),
  };
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

function problems(route: Route, { schemas, problems: known }: Components): Json {
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const it of errorsOf(route)) {
    const [code, status] = typeof it === 'string' ? ([it, ERRORS[it].status[0]] as const) : it;
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  const exampleOf = (code: ErrorCode, status: number): Json => {
    const name = status === ERRORS[code].status[0] ? code : `${code}_${status}`;
    known[name] ??= { summary: ERRORS[code].title, value: problemExample(code, status) };
    return { [name]: { $ref: `#/components/examples/${name}` } };
  };
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: `${STATUS_CODES[status]}: ${[...codes].map((it) => `${it} (${ERRORS[it].error})`).join(', ')}`,
        ...headersDoc(PROBLEM_HEADERS[status] ?? {}),
        content: {
          'application/problem+json': {
            schema: schemas.of(problem),
            examples: Object.assign({}, ...[...codes].map((it) => exampleOf(it, status))),
          },
        },
      },
    ]),
  );
}

const problemExample = (code: ErrorCode, status: number): z.infer<typeof problem> => ({
  type: problemType(code),
  title: ERRORS[code].title,
  status,
  detail: ERRORS[code].title,
  instance: `/v1/chat/rooms/${EXAMPLES.roomId}`,
  error: ERRORS[code].error,
  code,
  requestId: EXAMPLES.clientId,
  ...(code === 'invalid_fields' ? { data: { fields: ['name'] } } : {}),
});
