/** `npm run check`: types, lint, format and unit tests, side by side; exits 1 if any fails. */
import { spawn } from 'node:child_process';

const steps: Record<string, string[]> = {
  types: ['tsc', '-p', '.'],
  lint: ['oxlint', '--type-aware', '--quiet', 'src', 'test', 'bench', 'scripts'],
  format: ['oxfmt', '--check', 'src', 'test', 'bench', 'scripts'],
  tests: ['npm', 'run', '--silent', 'test:unit', '--', '--test-reporter=dot'],
};

const wanted = process.argv.slice(2);
let failed = false;
await Promise.all(
  Object.entries(steps)
    .filter(([name]) => wanted.length === 0 || wanted.includes(name))
    .map(async ([name, [command, ...args]]) => {
      const child = spawn(command ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const output: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
      const code = await new Promise<number>((resolve) => {
        child.on('error', () => resolve(127));
        child.on('close', (exit) => resolve(exit ?? 1));
      });
      if (code !== 0) {
        failed = true;
        process.stdout.write(Buffer.concat(output));
      }
      console.log(`${name}: ${code === 0 ? 'ok' : 'FAILED'}`);
    }),
);
process.exitCode = failed ? 1 : 0;
