import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configKeys } from '../../src/config/index.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

function* files(folder: string, pattern: RegExp): Generator<string> {
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
    if (pattern.test(name) && !name.includes('generated') && !/[._]test\.(tsx?|cc)$/.test(name))
      yield read(join(folder, name));
}

function found(sources: Iterable<string>, pattern: RegExp): Set<string> {
  return new Set([...sources].flatMap((text) => [...text.matchAll(pattern)].map(([, code]) => code ?? '')));
}

test('docs/errors.md names every code that mft and the runtime can report', () => {
  const host = found(files('src', /\.tsx?$/), /\bcode: '([a-z]+(?:\.[a-z0-9-]+)?)'/g);
  const phone = found(files('device-runtime', /\.(cc|h)$/), /Failure\(\s*"([a-z]+\.[a-z0-9-]+)"/g);
  expect(host.size).toBeGreaterThan(60);
  expect(phone.size).toBeGreaterThan(20);
  const documented = found([read('docs/errors.md')], /`([a-z]+(?:\.[a-z0-9-]+)?)`/g);
  host.delete('custom'); // zod's, of an issue within a schema
  const missing = [...host, ...phone].filter((code) => !documented.has(code) && !code.startsWith('test.'));
  expect(missing).toEqual([]);
});

test('docs/configuration.md names every key', () => {
  const text = read('docs/configuration.md');
  expect(configKeys().filter((key) => !text.includes(`\`${key}\``))).toEqual([]);
});
