import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runtimeBinary } from './runtime-binary.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mft-binary-'));
});
afterAll(() => rm(root, { recursive: true }));

async function place(abi: string, machine: number): Promise<string> {
  const folder = join(root, 'dist', 'runtime', abi);
  await mkdir(folder, { recursive: true });
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header.writeUInt16LE(machine, 18);
  await writeFile(join(folder, 'mft-runtime'), header);
  return join(folder, 'mft-runtime');
}

test('a runtime that is not built is an error that names the script', async () => {
  await expect(runtimeBinary('x86_64', join(root, 'empty'))).rejects.toMatchObject({
    code: 'runtime.not-built',
    suggestions: expect.arrayContaining([expect.stringContaining('npm run build:runtime')]),
  });
});

test('the right one, and one that was built for another ABI', async () => {
  const path = await place('arm64-v8a', 183);
  await expect(runtimeBinary('arm64-v8a', root)).resolves.toBe(path);
  await place('x86_64', 183);
  await expect(runtimeBinary('x86_64', root)).rejects.toMatchObject({ code: 'runtime.wrong-abi' });
});
