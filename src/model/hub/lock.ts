/** One process at a time in a folder: a file that holds the process's number. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hubError } from './errors.ts';

const LOCK = 'lock';

/** @throws MftError hub.busy. A dead process holds no lock. */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const path = join(dir, LOCK);
  const take = () =>
    writeFile(path, `${process.pid}\n`, { flag: 'wx' }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
  if (!(await take())) {
    const holder = await holderOf(path);
    if (!isAlive(holder)) await rm(path, { force: true });
    if (isAlive(holder) || !(await take()))
      throw hubError(`another mft downloads this model (process ${holder})`, {
        code: 'hub.busy',
        suggestions: ['Wait for it to end.', `If there is none, remove ${path}`],
      });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Whether a living process holds the folder. */
export async function isLocked(dir: string): Promise<boolean> {
  return isAlive(await holderOf(join(dir, LOCK)));
}

async function holderOf(path: string): Promise<number> {
  return Number(await readFile(path, 'utf8').catch(() => ''));
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
