import { z } from 'zod';
import { createAsyncApi } from '../../wire/asyncapi.ts';
import { defineRoute, type Route } from '../route.ts';

const readiness = z
  .object({
    ready: z.boolean(),
    reasons: z.array(z.string()).describe('Why not'),
    degraded: z.array(z.string()).describe('Parts that are away while the rest works'),
    worker: z.string(),
    pid: z.int(),
  })
  .meta({
    id: 'Readiness',
    examples: [{ ready: true, reasons: [], degraded: [], worker: '1', pid: 4711 }],
  });

export type Readiness = z.infer<typeof readiness>;

interface SystemRouteOptions {
  readonly readiness: () => Promise<Readiness> | Readiness;
  readonly renderMetrics: () => Promise<{ contentType: string; body: string }>;
  /** The OpenAPI document as JSON. */
  readonly document: () => string;
  readonly version: string;
}

const documentRoute = (path: string, summary: string, standard: string, edition: string, text: () => string): Route =>
  defineRoute({
    method: 'get',
    path,
    summary,
    auth: false,
    responses: {
      200: {
        description: `The document, ${standard} ${edition}`,
        schema: z.looseObject({ [standard]: z.string().meta({ examples: [edition] }) }),
      },
    },
    errors: [],
    run: () => ({ status: 200, content: { type: 'application/json', bytes: text() } }),
  });

export function systemRoutes(options: SystemRouteOptions): readonly Route[] {
  let asyncApi: string | undefined;
  return [
    defineRoute({
      method: 'get',
      path: '/livez',
      summary: 'Whether the process answers at all',
      auth: false,
      responses: { 200: { description: 'It does', schema: z.object({ live: z.literal(true) }) } },
      errors: [],
      run: () => ({ status: 200, body: { live: true } }),
    }),
    defineRoute({
      method: 'get',
      path: '/readyz',
      summary: 'Whether traffic may come here',
      auth: false,
      responses: {
        200: { description: 'Ready, perhaps degraded', schema: readiness },
        503: { description: 'Starting, draining, or without the store', schema: readiness },
      },
      errors: [],
      run: async () => {
        const body = await options.readiness();
        return { status: body.ready ? 200 : 503, body };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/metrics',
      summary: 'Measures in the Prometheus text format',
      auth: false,
      responses: {
        200: {
          description: 'The measures',
          contentTypes: ['text/plain'],
          example: '# HELP parley_sockets Connected sockets\n# TYPE parley_sockets gauge\nparley_sockets 3\n',
        },
      },
      errors: [],
      run: async () => {
        const { contentType, body } = await options.renderMetrics();
        return { status: 200, content: { type: contentType, bytes: body } };
      },
    }),
    documentRoute('/openapi.json', 'This document', 'openapi', '3.1.0', options.document),
    documentRoute('/asyncapi.json', 'The events of sockets and the messages of queues', 'asyncapi', '3.0.0', () => {
      asyncApi ??= JSON.stringify(createAsyncApi(options.version));
      return asyncApi;
    }),
  ];
}
