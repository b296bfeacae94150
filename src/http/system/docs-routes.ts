import { ERRORS } from '../../chat/errors.ts';
import { defineRoute, type Route } from '../route.ts';

/** The parts of Swagger UI that the page loads; nothing comes from elsewhere. */
export const SWAGGER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'] as const;

const page = (title: string, head: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
${head}</head>
<body>
${body}
</body>
</html>
`;

const DOCS = page(
  'Parley: REST interface',
  '<link rel="stylesheet" href="/docs/swagger-ui.css">\n',
  `<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>`,
);

/** A file of its own, because no inline script may run; without the validator, which would ask a stranger's host. */
const START = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});
`;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (it) => `&#${it.charCodeAt(0)};`);

const errorRows = Object.entries(ERRORS)
  .sort(([, a], [, b]) => a.error - b.error)
  .map(([code, { error, status, retry, title }]) => {
    const cells = [error, code, status.join(', '), retry ? 'yes' : 'no', title];
    return `<tr id="${code}">${cells.map((it) => `<td>${escaped(String(it))}</td>`).join('')}</tr>`;
  })
  .join('\n');

const ERROR_TABLE = page(
  'Parley: errors',
  '',
  `<h1>Errors</h1>
<p>Every error of the REST interface is <code>application/problem+json</code> with these numbers and codes; acks of sockets
carry the same. Where the same call may succeed later without change, retry says yes.</p>
<table>
<thead><tr><th>error</th><th>code</th><th>status</th><th>retry</th><th>meaning</th></tr></thead>
<tbody>
${errorRows}
</tbody>
</table>`,
);

const fileRoute = (path: string, summary: string, type: string, bytes: string): Route =>
  defineRoute({
    method: 'get',
    path,
    summary,
    auth: false,
    responses: { 200: { description: summary, contentTypes: [type] } },
    errors: [],
    run: () => ({
      status: 200,
      content: { type: `${type}; charset=utf-8`, bytes },
      headers: { 'Cache-Control': 'no-cache' },
    }),
  });

export const docsRoutes: readonly Route[] = [
  fileRoute('/docs', 'This document as a page', 'text/html', DOCS),
  fileRoute('/docs/start.js', 'What the page starts with', 'text/javascript', START),
  fileRoute('/docs/errors', 'The table of errors', 'text/html', ERROR_TABLE),
];
