import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';

const readiness = z
  .object({
    ready: z.boolean(),
    reasons: z.array(z.string()).describe('Why not'),
    degraded: z.array(z.string()).describe('Parts that are away while the rest works'),
    worker: z.string(),
    pid: z.int(),
  })
  .meta({ id: 'Readiness' });

export type Readiness = z.infer<typeof readiness>;

interface SystemRouteOptions {
  readonly readiness: () => Promise<Readiness> | Readiness;
  readonly renderMetrics: () => Promise<{ contentType: string; body: string }>;
  /** The OpenAPI document as JSON. */
  readonly document: () => string;
}

export const systemRoutes = (options: SystemRouteOptions): readonly Route[] => [
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
    responses: { 200: { description: 'The measures', contentTypes: ['text/plain'] } },
    errors: [],
    run: async () => {
      const { contentType, body } = await options.renderMetrics();
      return { status: 200, content: { type: contentType, bytes: body } };
    },
  }),
  defineRoute({
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    auth: false,
    responses: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
    errors: [],
    run: () => ({ status: 200, content: { type: 'application/json', bytes: options.document() } }),
  }),
];
