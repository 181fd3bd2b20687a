import {
  closeSync,
  existsSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { codeOf } from '../emulated/files.ts';
import { unavailable } from './unavailable.ts';

/**
 * The phone's storage: an ext4 file system in a sparse file, as large as the phone's. What a phone has in use of it when it is new,
 * and what the fault `disk-full` takes away, is allocated to one file without ever being written, so that it takes no space on the host.
 */

/** On the phone; only root can see it there. */
const FILLER = 'data/.used';
const BLOCK = 4096;

export async function createImage(path: string, totalKb: number): Promise<void> {
  if (existsSync(path)) return;
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  closeSync(openSync(fresh, 'w', 0o600));
  truncateSync(fresh, totalKb * 1024);
  // Few inodes and none initialised: their tables would be written, gigabytes of them.
  const features = ['-O', '^has_journal,^resize_inode', '-E', 'lazy_itable_init=1,nodiscard', '-N', '200000'];
  const { exitCode, stderr, message } = await execa(
    'mkfs.ext4',
    ['-q', '-F', '-m', '0', ...features, fresh],
    {
      reject: false,
      stdin: 'ignore',
      env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
    },
  );
  if (exitCode !== 0) {
    rmSync(fresh, { force: true });
    throw unavailable(`its file system could not be made: ${stderr || message}`, {
      suggestions: ['Install mkfs.ext4: apt-get install e2fsprogs'],
    });
  }
  renameSync(fresh, path);
}

export class Disk {
  readonly #root: string;
  readonly #filler: string;
  /** Size of the filler without the fault. */
  #base = 0;

  /** @param root the phone's `/`, seen from the host */
  constructor(root: string) {
    this.#root = root;
    this.#filler = join(root, FILLER);
  }

  /** Bytes that can still be written. */
  free(): number {
    const { bavail, bsize } = statfsSync(join(this.#root, 'data'));
    return bavail * bsize;
  }

  /** Takes so much into use that no more than this is free. */
  async occupy(free: number): Promise<void> {
    rmSync(this.#filler, { force: true });
    await this.#leave(free);
    this.#base = this.#size();
  }

  /** Lets no more than this be written, by anybody. */
  async limit(bytes: number): Promise<void> {
    await this.#leave(bytes);
    if (bytes === 0) this.#fill();
  }

  clear(): void {
    if (this.#size() > this.#base) truncateSync(this.#filler, this.#base);
  }

  #size(): number {
    return statSync(this.#filler, { throwIfNoEntry: false })?.size ?? 0;
  }

  async #leave(free: number): Promise<void> {
    // What is allocated takes blocks for itself: a little less than asked for at first.
    for (let slack = 0; slack < 4; slack += 1) {
      const over = Math.floor((this.free() - free) / BLOCK) - slack * 16;
      if (over <= 0) return;
      const { exitCode } = await execa(
        'fallocate',
        ['--offset', String(this.#size()), '--length', String(over * BLOCK), this.#filler],
        { reject: false, stdin: 'ignore' },
      );
      if (exitCode === 0) slack = -1;
    }
  }

  /** Writes until nothing more can be written. */
  #fill(): void {
    const file = openSync(this.#filler, 'a', 0o600);
    const block = Buffer.alloc(BLOCK);
    try {
      for (;;) writeSync(file, block);
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }
}
