import { describe, expect, it } from '@jest/globals';
import { AggregatorRegistry } from 'prom-client';
import { createMetrics } from './metrics.ts';

describe('createMetrics', () => {
  it('counts in a registry of its own, default metrics included', async () => {
    const one = createMetrics();
    const other = createMetrics();
    one.messagesAppended.inc(3);
    one.errors.inc({ code: 'try_again' });
    one.httpSeconds.observe({ method: 'GET', route: '/v1/chat/rooms/{id}', status: 200 }, 0.002);
    one.appendSeconds.observe(0.0004);
    one.sockets.inc();
    const text = await one.registry.metrics();
    expect(text).toContain('parley_messages_appended_total 3');
    expect(text).toContain('parley_errors_total{code="try_again"} 1');
    expect(text).toContain(
      'parley_http_request_duration_seconds_count{method="GET",route="/v1/chat/rooms/{id}",status="200"} 1',
    );
    expect(text).toContain('parley_append_duration_seconds_bucket{le="0.001"} 1');
    expect(text).toContain('parley_sockets 1');
    expect(text).toContain('process_resident_memory_bytes');
    expect(await other.registry.metrics()).toContain('parley_messages_appended_total 0');
  });

  it('adds up over workers', async () => {
    const workers = [createMetrics(), createMetrics()];
    for (const { sockets, deliveries } of workers) {
      sockets.set(5);
      deliveries.inc(2);
    }
    const all = await Promise.all(workers.map(({ registry }) => registry.getMetricsAsJSON()));
    const text = await AggregatorRegistry.aggregate(all).metrics();
    expect(text).toContain('parley_sockets 10');
    expect(text).toContain('parley_deliveries_total 4');
  });
});
