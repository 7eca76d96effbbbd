import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testBackend } from './contract.ts';

testBackend({
  type: 'local',
  async start() {
    const root = mkdtempSync(join(tmpdir(), 'cairn-local-cache-'));
    return {
      place: () => {
        const directory = join(root, randomUUID());
        return { to: { dest: directory }, from: { src: directory } };
      },
      stop: async () => rmSync(root, { recursive: true, force: true }),
    };
  },
});
