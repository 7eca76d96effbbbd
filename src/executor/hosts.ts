/** Contents of /etc/hosts in a step (BuildKit executor/oci/hosts.go, v0.32.2). */

/** Host name of a step that sets none. */
export const DEFAULT_HOSTNAME = 'buildkitsandbox';

export function hostsFile(hostname: string, extraHosts: readonly { host: string; ip: string }[]): string {
  const lines = [
    `127.0.0.1\tlocalhost ${hostname === '' ? DEFAULT_HOSTNAME : hostname}`,
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...extraHosts.map(({ host, ip }) => `${ip}\t${host}`),
  ];
  return lines.join('\n') + '\n';
}
