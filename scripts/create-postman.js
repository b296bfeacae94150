import { createHash } from 'node:crypto';
import converter from 'openapi-to-postmanv2';
import '../test/support/typescript-loader.js';

/** A transparent pixel. */
const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

/**
 * The folders and the order of requests in which each finds what it needs: who starts at the top and runs all of it
 * meets no error. `set` takes values from the answer for the requests that follow, `body` changes the example.
 */
const STORY = {
  accounts: [
    { line: 'POST /v1/accounts/guest', set: { token: 'token', user: 'user' } },
    { line: 'GET /v1/accounts/validate' },
    { line: 'POST /v1/accounts/revocations', token: 'serviceToken' },
  ],
  rooms: [
    { line: 'POST /v1/chat/rooms', body: { name: 'Lobby {{$guid}}' }, set: { room: 'id' } },
    { line: 'GET /v1/chat/rooms' },
    { line: 'GET /v1/chat/rooms/{id}' },
    { line: 'PATCH /v1/chat/rooms/{id}' },
  ],
  messages: [
    { line: 'POST /v1/chat/rooms/{id}/messages', set: { message: 'id' } },
    { line: 'POST /v1/chat/rooms/message/{id}' },
    {
      line: 'POST /v1/chat/rooms/{id}/messages',
      name: 'Send a picture',
      body: { message: undefined, image: PICTURE },
      set: { picture: 'id' },
    },
    {
      line: 'POST /v1/chat/rooms/{id}/messages',
      name: 'Send a bot command',
      body: { message: '/hello=Ann' },
    },
    { line: 'GET /v1/chat/rooms/{id}/messages' },
    { line: 'GET /v1/chat/rooms/{id}/messages/{mid}' },
    { line: 'GET /v1/chat/rooms/{id}/messages/{mid}/image', params: { mid: '{{picture}}' } },
    { line: 'PATCH /v1/chat/rooms/{id}/messages/{mid}' },
    { line: 'PUT /v1/chat/rooms/{id}/read' },
    { line: 'DELETE /v1/chat/rooms/{id}/messages/{mid}' },
  ],
  members: [
    { line: 'PUT /v1/chat/rooms/{id}/members/{user}' },
    { line: 'GET /v1/chat/rooms/{id}/members' },
    { line: 'GET /v1/chat/rooms/{id}/presence' },
    { line: 'DELETE /v1/chat/rooms/{id}/members/{user}' },
    { line: 'PUT /v1/chat/rooms/{id}/bans/{user}' },
    { line: 'DELETE /v1/chat/rooms/{id}/bans/{user}' },
  ],
  sync: [{ line: 'POST /v1/chat/sync' }],
  // A room that everybody has left is owned by the next who joins it, so that it can be deleted at the end.
  'coming and going': [
    { line: 'DELETE /v1/chat/rooms/{id}/members/me' },
    { line: 'POST /v1/chat/rooms/join/{id}' },
    { line: 'DELETE /v1/chat/rooms/leave/{id}' },
    { line: 'PUT /v1/chat/rooms/{id}/members/me' },
    { line: 'DELETE /v1/chat/users/me/messages' },
    { line: 'DELETE /v1/chat/users/{user}/messages' },
    { line: 'DELETE /v1/chat/rooms/{id}' },
  ],
  system: [
    { line: 'GET /livez' },
    { line: 'GET /readyz' },
    { line: 'GET /metrics' },
    { line: 'GET /openapi.json' },
    { line: 'GET /asyncapi.json' },
    { line: 'GET /docs' },
    { line: 'GET /docs/start.js' },
    { line: 'GET /docs/errors' },
  ],
};

/** Initial values; the first requests fill in the rest. A token of role service: `parley token --roles service --type 2`. */
const VARIABLES = {
  baseUrl: 'http://127.0.0.1:3000',
  token: '',
  serviceToken: '',
  user: '',
  other: 'ben',
  room: '',
  message: '',
  picture: '',
};

/**
 * The collection of an OpenAPI document: the same for the same document, where the converter would give other ids each
 * time. Throws when an operation has no place in the story.
 */
export async function createPostman(openapi) {
  const { EXAMPLES } = await import('../src/wire/examples.ts');
  const converted = new Map((await convert(openapi)).map((it) => [lineOf(it.request), it]));
  const told = new Set(Object.values(STORY).flatMap((steps) => steps.map((it) => it.line)));
  for (const line of converted.keys()) if (!told.has(line)) throw new Error(`no request of the collection is ${line}`);

  /** The ids of the examples, by what stands for them. */
  const variables = new Map([
    [EXAMPLES.roomId, '{{room}}'],
    [EXAMPLES.messageId, '{{message}}'],
    [EXAMPLES.user, '{{user}}'],
    [EXAMPLES.otherUser, '{{other}}'],
    [EXAMPLES.clientId, '{{$guid}}'],
  ]);
  const withVariables = (text) => [...variables].reduce((all, [id, name]) => all.replaceAll(id, name), text);

  const item = (step) => {
    const { line, name, body, set = {}, token = 'token', params = {} } = step;
    const it = converted.get(line);
    if (it === undefined) throw new Error(`the document has no ${line}`);
    const { method, url, header = [], body: sent } = JSON.parse(withVariables(JSON.stringify(it.request)));
    const [, path] = line.split(' ');
    const { security, responses, summary, description } = openapi.paths[path][method.toLowerCase()];
    const answers = Object.keys(responses).filter((status) => status < 300);
    const request = {
      method,
      url: {
        raw: `{{baseUrl}}${path.replace(/\{(\w+)\}/g, ':$1')}`,
        host: ['{{baseUrl}}'],
        path: url.path,
        ...(url.query?.length ? { query: url.query.map(plain) } : {}),
        ...(url.variable?.length
          ? { variable: url.variable.map(({ key, value }) => ({ key, value: params[key] ?? value })) }
          : {}),
      },
      header: header.map(plain),
      ...(sent?.raw ? { body: { ...sent, raw: JSON.stringify({ ...JSON.parse(sent.raw), ...body }, null, 2) } } : {}),
      auth:
        security.length === 0
          ? { type: 'noauth' }
          : { type: 'bearer', bearer: [{ key: 'token', value: `{{${token}}}`, type: 'string' }] },
      ...(description ? { description } : {}),
    };
    return {
      id: idOf(line, name ?? ''),
      name: name ?? summary,
      request,
      event: [{ listen: 'test', script: { type: 'text/javascript', exec: script(answers, set) } }],
      response:
        name === undefined ? it.response.filter(({ code }) => code < 300).map((one) => saved(one, request)) : [],
    };
  };
  const saved = ({ name, status, code, header, body }, request) => ({
    id: idOf(lineOf(request), String(code)),
    name,
    originalRequest: request,
    status,
    code,
    header: (header ?? []).filter((it) => it.key === 'Content-Type').map(plain),
    body,
    cookie: [],
    _postman_previewlanguage: 'json',
  });

  return {
    info: {
      _postman_id: idOf('Parley'),
      name: 'Parley',
      description: `${openapi.info.description} Run it from top to bottom, or begin with the first request of accounts and of rooms: they fill in the variables.`,
      schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json',
    },
    item: Object.entries(STORY).map(([name, steps]) => ({ id: idOf(name), name, item: steps.map(item) })),
    variable: Object.entries(VARIABLES).map(([key, value]) => ({ key, value, type: 'string' })),
  };
}

function convert(openapi) {
  const options = { folderStrategy: 'Tags', parametersResolution: 'Example', enableOptionalParameters: false };
  return new Promise((resolve, reject) => {
    converter.convertV2({ type: 'json', data: structuredClone(openapi) }, options, (error, result) => {
      if (error) reject(error);
      else if (!result.result) reject(new Error(result.reason));
      else resolve(result.output[0].data.item.flatMap((folder) => folder.item));
    });
  });
}

const lineOf = ({ method, url }) => `${method} /${url.path.map((it) => it.replace(/^:(.+)$/, '{$1}')).join('/')}`;

const plain = ({ key, value, disabled }) => ({ key, value, ...(disabled ? { disabled } : {}) });

const script = (answers, set) => [
  `pm.test('answers ${answers.join(' or ')}', () => pm.expect(pm.response.code).to.be.oneOf([${answers.join(', ')}]));`,
  ...Object.entries(set).map(([name, field]) => `pm.collectionVariables.set('${name}', pm.response.json().${field});`),
];

/** In the form of a UUID, as Postman wants them. */
function idOf(...parts) {
  const hex = createHash('sha256').update(parts.join('\n')).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
