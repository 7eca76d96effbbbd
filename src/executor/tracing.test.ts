import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { serveTracing, withTracing } from './tracing.ts';

test('withTracing leaves what the step sets itself', () => {
  assert.deepEqual(withTracing(['A=1', 'OTEL_TRACES_EXPORTER=none']), [
    'A=1',
    'OTEL_TRACES_EXPORTER=none',
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=unix:///dev/otel-grpc.sock',
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc',
  ]);
});

test('serveTracing answers an export with success', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-tracing-test-'));
  const path = await serveTracing(join(directory, 'otel.sock'));
  const client = connect('http://localhost', { createConnection: () => createConnection(path) });
  try {
    const trailers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      client.on('error', reject);
      const stream = client.request({
        ':method': 'POST',
        ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        'content-type': 'application/grpc',
      });
      stream.on('trailers', resolve);
      stream.on('error', reject);
      stream.resume();
      stream.end(Buffer.alloc(5));
    });
    assert.equal(trailers['grpc-status'], '0');
  } finally {
    client.close();
    rmSync(directory, { recursive: true });
  }
});
