import '../test/support/typescript-loader.js';

/** What the server serves as /openapi.json and /asyncapi.json, from its sources; no route is run for it. */
export async function readDocuments(version) {
  const [{ createRoutes }, { createOpenApi }, { createAsyncApi }] = await Promise.all([
    import('../src/http/create-api.ts'),
    import('../src/http/openapi.ts'),
    import('../src/wire/asyncapi.ts'),
  ]);
  const run = () => {
    throw new Error('routes are only described here');
  };
  const routes = createRoutes(
    { guests: { createGuest: run }, guestRate: null, readiness: run, renderMetrics: run, version },
    run,
  );
  return { openapi: createOpenApi(routes, version), asyncapi: createAsyncApi(version) };
}
