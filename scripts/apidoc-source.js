/** The comments that apidoc reads, one for each operation of an OpenAPI document. */
export function apidocSource(openapi) {
  const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, it]) => comment(openapi, method, path, it)),
  );
  return `${operations.join('\n\n')}\n`;
}

const PLACES = { path: '@apiParam', query: '@apiQuery', header: '@apiHeader' };

function comment(openapi, method, path, operation) {
  const { operationId, summary, tags, deprecated, security, parameters, requestBody, responses } = operation;
  const lines = [
    `@api {${method}} ${path.replace(/\{(\w+)\}/g, ':$1')} ${summary}`,
    `@apiName ${operationId}`,
    `@apiGroup ${tags[0]}`,
    `@apiVersion ${openapi.info.version}`,
    ...(deprecated ? ['@apiDeprecated kept for earlier clients'] : []),
    ...(security.length > 0 ? ['@apiHeader {String} Authorization Bearer and the token'] : []),
    ...parameters.map(({ name, in: place, required, schema }) =>
      field(PLACES[place], name, required, schema, schema.description),
    ),
  ];
  const body = requestBody?.content['application/json'];
  if (body) {
    lines.push(...fieldsOf(openapi, body.schema, '@apiBody'));
    lines.push(`@apiParamExample {json} Body${requestBody.required ? '' : ' (may be absent)'}`, json(body.example));
  }
  for (const [status, { description, content = {} }] of Object.entries(responses)) {
    const [type, { schema, example, examples = {} } = {}] = Object.entries(content)[0] ?? [];
    if (status >= 400 && type === 'application/problem+json') {
      for (const code of Object.keys(examples)) {
        const { summary: meaning, value } = openapi.components.examples[code];
        lines.push(`@apiError (${status}) ${value.code} ${value.error}: ${meaning}`);
      }
      continue;
    }
    const kind = status >= 400 ? 'Error' : 'Success';
    if (schema) lines.push(...fieldsOf(openapi, schema, `@api${kind} (${status})`));
    lines.push(`@api${kind}Example {json} ${status}: ${description}`);
    lines.push(example === undefined ? `HTTP/1.1 ${status}${type ? ` (${type})` : ''}` : json(example));
  }
  const text = lines.join('\n').replaceAll('*/', '*\u2060/');
  return `/**\n${text.replace(/^/gm, ' * ')}\n */`;
}

const json = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

function fieldsOf(openapi, schema, tag) {
  const { properties, required = [] } = resolved(openapi, schema);
  return Object.entries(properties ?? {}).map(([name, it]) =>
    field(tag, name, required.includes(name), it, it.description ?? resolved(openapi, it).description),
  );
}

const resolved = (openapi, schema) =>
  schema.$ref ? openapi.components.schemas[schema.$ref.split('/').at(-1)] : schema;

const field = (tag, name, required, schema, description = '') =>
  `${tag} {${typeOf(schema)}} ${required ? name : `[${name}]`} ${description}`.trimEnd();

function typeOf({ $ref, type, anyOf, items, enum: values }) {
  if ($ref) return $ref.split('/').at(-1);
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join('|');
  if (values) return `String=${values.map((it) => JSON.stringify(it)).join(',')}`;
  if (type === 'array') return `${typeOf(items)}[]`;
  return type ? type[0].toUpperCase() + type.slice(1) : 'Any';
}
