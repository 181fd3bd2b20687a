import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { follow, isFollowed } from './followers.ts';

const folder = mkdtempSync(join(tmpdir(), 'mft-followers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a run is followed as long as a process does, not as long as it said so', async () => {
  writeFileSync(join(folder, 'token'), '');
  expect(isFollowed(folder)).toBe(false);
  const code = `
    import { follow } from ${JSON.stringify(join(import.meta.dirname, 'followers.ts'))};
    follow(${JSON.stringify(folder)});
    console.log('there');
    setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '--eval', code]);
  await once(other.stdout, 'data');
  {
    using _own = follow(folder);
    expect(readdirSync(folder).sort()).toEqual(
      [`follower.${process.pid}`, `follower.${other.pid}`, 'token'].sort(),
    );
  }
  expect(isFollowed(folder)).toBe(true); // by the other
  other.kill('SIGKILL');
  await once(other, 'close');
  expect(isFollowed(folder)).toBe(false);
  expect(readdirSync(folder)).toEqual(['token']);
});
