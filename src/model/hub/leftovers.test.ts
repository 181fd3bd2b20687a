import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../../test/support/model-folders.ts';
import { listDownloads, removeDownloads } from './leftovers.ts';

test('what pulls left is listed with age and size, and removed unless one is going on', async () => {
  const home = await temporaryFolder();
  expect(await listDownloads({ home })).toEqual([]);
  expect(await removeDownloads({ home })).toEqual([]);
  const leave = async (name: string, bytes: number, holder?: number) => {
    const dir = join(home, 'downloads', name);
    const commit = join(dir, 'c0'.repeat(20));
    await mkdir(commit, { recursive: true });
    await writeFile(join(commit, 'model.safetensors.abc.partial'), new Uint8Array(bytes));
    if (holder !== undefined) await writeFile(join(dir, 'lock'), `${holder}\n`);
    return { dir, file: join(commit, 'model.safetensors.abc.partial') };
  };
  const old = await leave('Qwen--Qwen2.5-0.5B', 1000, 2 ** 30); // a process that is no more
  await leave('Tiny--GPT', 50, process.pid);
  const then = new Date('2025-01-02T03:04:05Z');
  for (const path of [old.file, join(old.file, '..'), join(old.dir, 'lock'), old.dir])
    await utimes(path, then, then);

  const found = await listDownloads({ home });
  expect(found).toMatchObject([
    { repository: 'Qwen/Qwen2.5-0.5B', modified: then, inUse: false },
    { repository: 'Tiny/GPT', inUse: true },
  ]);
  expect(found[0]?.bytes).toBe(1000 + '1073741824\n'.length);
  expect((await removeDownloads({ home })).map(({ repository }) => repository)).toEqual([
    'Qwen/Qwen2.5-0.5B',
  ]);
  expect((await listDownloads({ home })).map(({ repository }) => repository)).toEqual(['Tiny/GPT']);
});
