import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { createGuest, expectStatus, rest } from '../support/rest.ts';
import { ROOT } from '../support/root.ts';
import { TestBed } from '../support/test-bed.ts';

interface Dashboard {
  readonly templating: { readonly list: readonly { name: string; type: string; definition?: string }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** Labels that the scraper adds. */
const SCRAPED = ['job', 'instance'];
const METRIC = /\b(?:parley|nodejs|process)_\w+/g;

/** `name` → labels, out of the Prometheus text format. */
function measures(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const [, typed = ''] = /^# TYPE (\S+)/.exec(line) ?? [];
    if (typed !== '') found.set(typed, found.get(typed) ?? new Set());
    const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (line.startsWith('#') || name === '') continue;
    const known = found.get(name) ?? new Set<string>();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    found.set(name, known);
  }
  return found;
}

describe('documents: the dashboard and what is told of metrics', () => {
  const bed = new TestBed();
  let dashboard: Dashboard;
  let expressions: { title: string; expr: string }[];
  let served: Map<string, Set<string>>;

  beforeAll(async () => {
    dashboard = JSON.parse(await readFile(join(ROOT, 'docs/grafana.json'), 'utf8')) as Dashboard;
    expressions = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
    const server = await bed.server();
    const { token } = await createGuest(server.url, 'Ann');
    await expectStatus(404, rest(server.url, 'GET /v1/chat/rooms/none', { token }));
    served = measures((await expectStatus(200, rest(server.url, 'GET /metrics'))).text);
  }, 60_000);
  afterAll(() => bed.close(), 30_000);

  it('asks only for metrics that a server has', () => {
    assert.ok(expressions.length > 20);
    for (const { title, expr } of expressions) {
      const names = expr.match(METRIC) ?? [];
      assert.ok(names.length > 0, title);
      for (const name of names) assert.ok(served.has(name), `${title}: ${name}`);
    }
  });

  it('groups only by labels that they have', () => {
    for (const { title, expr } of expressions) {
      const [name = ''] = expr.match(METRIC) ?? [];
      const labels = served.get(name) ?? new Set();
      for (const [, list = ''] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
        for (const label of list.split(', ')) {
          // A metric that nothing was counted in yet shows no labels.
          if (labels.size > 0) assert.ok(SCRAPED.includes(label) || labels.has(label), `${title}: ${label}`);
        }
      }
    }
  });

  it('takes whatever data source it is given', () => {
    const variables = dashboard.templating.list.map((it) => it.name);
    assert.deepEqual(variables, ['datasource', 'job', 'instance']);
    const ids = dashboard.panels.map((it) => it.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { type, title, datasource } of dashboard.panels) {
      if (type !== 'row') assert.equal(datasource?.uid, `\${${'datasource'}}`, title);
    }
    for (const { expr } of expressions) assert.match(expr, /\{job=~"\$job", instance=~"\$instance"/);
  });

  it('has all of the server’s own metrics, and operations.md explains them', async () => {
    const page = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
    const shown = new Set(expressions.flatMap(({ expr }) => expr.match(METRIC) ?? []));
    const own = [...served.keys()]
      .filter((name) => name.startsWith('parley_'))
      .map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
    assert.ok(own.length > 10);
    for (const name of new Set(own)) {
      assert.ok(page.includes(`\`${name}\``), `docs/operations.md does not explain ${name}`);
      assert.ok(
        [...shown].some((it) => it.replace(/_(?:bucket|sum|count)$/, '') === name),
        `no panel shows ${name}`,
      );
    }
    for (const name of page.match(METRIC) ?? []) {
      assert.ok(served.has(name), `docs/operations.md tells of ${name}, which no server has`);
    }
  });
});
