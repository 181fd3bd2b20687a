import { execFileSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failureOf, temporaryFolder } from '../../../test/support/model-folders.ts';
import { withLock } from './lock.ts';

const dir = await temporaryFolder();

test('one at a time; given back when the work fails; a dead process holds nothing', async () => {
  const inner = await withLock(dir, () => failureOf(withLock(dir, async () => 'in')));
  expect([inner.code, inner.message]).toEqual([
    'hub.busy',
    `another mft downloads this model (process ${process.pid})`,
  ]);
  await expect(withLock(dir, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
  expect(await readdir(dir)).toEqual([]);
  const dead = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' });
  for (const left of [dead, '', 'no number']) {
    await writeFile(join(dir, 'lock'), left);
    expect(await withLock(dir, async () => 'in')).toBe('in');
  }
  expect(await readdir(dir)).toEqual([]);
});
