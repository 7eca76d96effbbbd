/** The distribution project's registry server (Debian package docker-registry) for tests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startChild } from './child.ts';

export interface RegistryOptions {
  /** Demands HTTP basic authentication with these accounts. */
  htpasswd?: { username: string; password: string }[];
  /** Demands bearer tokens of a token server: see token_server.ts. */
  token?: { realm: string; service: string; issuer: string; rootCertBundle: string };
  /** Serves TLS with these PEM files. */
  tls?: { certificate: string; key: string };
  /** Default: a free one. */
  port?: number;
}

export interface RegistryServer {
  /** `127.0.0.1:port` */
  host: string;
  port: number;
  /** Where the blobs lie, as the filesystem storage driver stores them. */
  storage: string;
  /** The server's log, requests included. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts a registry with an empty temporary storage on 127.0.0.1. stop() removes the storage. */
export async function startDockerRegistry(options: RegistryOptions = {}): Promise<RegistryServer> {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-registry-'));
  const port = options.port ?? (await freePort());
  const storage = join(dir, 'data');
  const config: Record<string, unknown> = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: storage, maxthreads: 100 }, delete: { enabled: true } },
    http: {
      addr: `127.0.0.1:${port}`,
      ...(options.tls === undefined
        ? {}
        : { tls: { certificate: options.tls.certificate, key: options.tls.key } }),
    },
  };
  if (options.htpasswd !== undefined) {
    const lines = options.htpasswd.map(({ username, password }) =>
      execFileSync('htpasswd', ['-nbB', username, password], { encoding: 'utf8' }).trim(),
    );
    writeFileSync(join(dir, 'htpasswd'), `${lines.join('\n')}\n`);
    config['auth'] = { htpasswd: { realm: 'cairn-test', path: join(dir, 'htpasswd') } };
  }
  if (options.token !== undefined) {
    config['auth'] = {
      token: {
        realm: options.token.realm,
        service: options.token.service,
        issuer: options.token.issuer,
        rootcertbundle: options.token.rootCertBundle,
      },
    };
  }
  // JSON is YAML.
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
  const server = await startChild('docker-registry', ['serve', join(dir, 'config.yml')], port, {
    env: { OTEL_TRACES_EXPORTER: 'none' },
  });
  return {
    host: `127.0.0.1:${port}`,
    port,
    storage,
    log: () => server.output(),
    async stop() {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
