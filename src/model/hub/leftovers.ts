/** What broken-off pulls have left on this computer. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MftError } from '../../base/errors.ts';
import { dataHome } from '../../base/paths.ts';
import type { LibraryPlace } from '../library.ts';
import { isLocked, withLock } from './lock.ts';

export interface Leftover {
  /** ORG/NAME */
  repository: string;
  dir: string;
  bytes: number;
  /** When the last byte came. */
  modified: Date;
  /** Whether it is being pulled now. */
  inUse: boolean;
}

/** Where pulls keep what they have until the model is imported: a folder ORG--NAME for each repository. */
export function downloadsFolder({ home = dataHome() }: LibraryPlace = {}): string {
  return join(home, 'downloads');
}

/** The oldest first. */
export async function listDownloads(place: LibraryPlace = {}): Promise<Leftover[]> {
  const folder = downloadsFolder(place);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const found = await Promise.all(names.map((name) => describe(join(folder, name), name)));
  return found.sort((a, b) => a.modified.getTime() - b.modified.getTime());
}

async function describe(dir: string, name: string): Promise<Leftover> {
  let bytes = 0;
  let newest = (await stat(dir)).mtimeMs;
  for (const path of await readdir(dir, { recursive: true }).catch(() => [])) {
    const found = await stat(join(dir, path)).catch(() => undefined); // a pull may rename it now
    if (!found?.isFile()) continue;
    bytes += found.size;
    newest = Math.max(newest, found.mtimeMs);
  }
  // A name of a repository has no two hyphens in a row.
  const repository = name.replace('--', '/');
  return { repository, dir, bytes, modified: new Date(newest), inUse: await isLocked(dir) };
}

/** Removes what no pull is using. @returns what was removed */
export async function removeDownloads(place: LibraryPlace = {}): Promise<Leftover[]> {
  const removed: Leftover[] = [];
  for (const leftover of await listDownloads(place)) {
    try {
      await withLock(leftover.dir, () => rm(leftover.dir, { recursive: true, force: true }));
      removed.push(leftover);
    } catch (error) {
      if (!(error instanceof MftError && error.code === 'hub.busy')) throw error;
    }
  }
  return removed;
}
