import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Makes an RSA key and a certificate that it signs itself, as PEM files in `directory`; good for two days.
 * @param address an IP address that the certificate is for
 */
export function selfSigned(directory: string, address?: string): { key: string; certificate: string } {
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=cairn-test'];
  if (address !== undefined) names.push('-addext', `subjectAltName=IP:${address}`);
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate, ...names], { stdio: 'pipe' });
  return { key, certificate };
}
