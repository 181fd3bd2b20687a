/**
 * What is not complete does not exist: a folder or file is filled under a temporary name beside its place, synced, and
 * renamed.
 */
import { randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';

const PREFIX = '.mft-partial-';
const DAY_MS = 24 * 3600 * 1000;

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Makes the entries of a folder durable. Windows can't sync a folder, and needs not to. */
export async function syncFolder(dir: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whether anything has this name (a dangling link too). */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/**
 * Fills a new folder `target` by `fill(dir)`, which syncs the files it writes. On any failure nothing is left behind.
 * @throws MftError file.exists when something of that name is there, before or by then.
 */
export async function stageFolder<T>(target: string, fill: (dir: string) => Promise<T>): Promise<T> {
  const { parent, staging } = await prepare(target);
  await mkdir(staging);
  try {
    const result = await fill(staging);
    await syncFolder(staging);
    await rename(staging, target).catch((error: unknown) => {
      throw isCode(error, 'ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOTDIR') ? occupied(target) : error;
    });
    await syncFolder(parent);
    return result;
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Writes a new file `target` by `fill(path)`, which makes and syncs that file. On any failure nothing is left behind.
 * @throws MftError file.exists when something of that name is there, before or by then.
 */
export async function stageFile<T>(target: string, fill: (path: string) => Promise<T>): Promise<T> {
  const { parent, staging } = await prepare(target);
  try {
    const result = await fill(staging);
    // A rename would replace a file that somebody else has made meanwhile; not every file system has links.
    await link(staging, target).catch(async (error: unknown) => {
      if (isCode(error, 'EEXIST') || (await exists(target))) throw occupied(target);
      await rename(staging, target);
    });
    await syncFolder(parent);
    return result;
  } finally {
    await rm(staging, { force: true });
  }
}

/** The folder of a target that is free, and a temporary name in it. */
async function prepare(target: string): Promise<{ parent: string; staging: string }> {
  if (await exists(target)) throw occupied(target);
  const parent = dirname(target);
  await mkdir(parent, { recursive: true });
  await sweep(parent);
  const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
  return { parent, staging: join(parent, `${PREFIX}${basename(target)}-${unique}`) };
}

/** Removes what killed processes left in `parent` more than a day ago. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const stat = await lstat(join(parent, name)).catch(() => undefined);
    if (stat !== undefined && Date.now() - stat.mtimeMs > DAY_MS)
      await rm(join(parent, name), { recursive: true, force: true });
  }
}

function occupied(target: string): MftError {
  return new MftError(`${target} is there already`, {
    code: 'file.exists',
    exit: ExitCode.usage,
    suggestions: ['Choose another name, or remove it first.'],
  });
}
