import { stat } from 'node:fs/promises';
import type { AdbDevice, WaitOptions } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { DEVICE_TMP } from './profile.ts';
import { parseDf, run, script } from './shell-tools.ts';
import type { StoreFile, StoreItem, StorePutOptions } from './types.ts';

/** Everything mft keeps on a phone is below this folder. */
export const DEVICE_ROOT = `${DEVICE_TMP}/mft`;

/** Kept free on the phone beyond what is pushed: Android misbehaves on a full data partition. */
const RESERVE_BYTES = 64 << 20;
/** Names in one command line; it must stay below 64 KiB. */
const BATCH = 400;
/** A temporary file this old belongs to no push that still goes on. */
const STALE_SECONDS = 24 * 3600;

const SHA256 = /^[0-9a-f]{64}$/;
const RUN_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** $1 the root. Only its owner may look inside: training text and tokens lie there. */
const PREPARE = 'umask 077; mkdir -p "$1/store" "$1/runs" && chmod 700 "$1"';
const HAS = 'cd "$1" 2>/dev/null || exit 0; shift; for f; do if [ -f "$f" ]; then echo "$f"; fi; done';
/** Size, modification time and name of each file, the temporary ones of broken pushes included. */
const LIST =
  'cd "$1" 2>/dev/null || exit 0; date +%s; for f in * .mft-part-*; do if [ -f "$f" ]; then stat -c "%s %Y %n" "$f"; fi; done';
const REMOVE = 'cd "$1" || exit 1; shift; rm -f -- "$@"';

/**
 * The phone's content-addressed folder: `store/<sha256>`. A file has its name only when it is whole and its hash was
 * computed on the phone, so a name is enough to know that it need not be pushed again.
 */
export class DeviceStore {
  readonly device: AdbDevice;
  readonly root: string;

  constructor(device: AdbDevice, root: string = DEVICE_ROOT) {
    this.device = device;
    this.root = root;
  }

  /** Where the file with this hash is, or would be. */
  path(sha256: string): string {
    return `${this.root}/store/${checked(sha256)}`;
  }

  /** The folder of a run, `runs/<id>`. */
  runPath(runId: string): string {
    if (!RUN_ID.test(runId)) throw new RangeError(`not a run id: ${JSON.stringify(runId)}`);
    return `${this.root}/runs/${runId}`;
  }

  /** Makes the folders. Repeating it does no harm. */
  async prepare(options: WaitOptions = {}): Promise<void> {
    await run(this.device, script(PREPARE, this.root), options);
  }

  /** Those of the hashes that the phone has. */
  async has(hashes: readonly string[], options: WaitOptions = {}): Promise<Set<string>> {
    const found = new Set<string>();
    for (let at = 0; at < hashes.length; at += BATCH) {
      const batch = hashes.slice(at, at + BATCH).map(checked);
      const out = await run(this.device, script(HAS, `${this.root}/store`, ...batch), options);
      for (const name of out.split('\n')) if (SHA256.test(name)) found.add(name);
    }
    return found;
  }

  /**
   * Pushes a file unless the phone has it.
   * @returns bytes sent; 0 when it was there
   * @throws `device.disk-full` with figures, before anything is sent when it can be known
   */
  async put(localPath: string, sha256: string, options: StorePutOptions = {}): Promise<number> {
    const { size: bytes } = await stat(localPath);
    const { mode, ...rest } = options;
    return this.putAll([{ localPath, sha256, bytes, ...(mode === undefined ? {} : { mode }) }], rest);
  }

  /**
   * Pushes what the phone lacks, one file after the other: what a broken push left out is all that the next one sends.
   * Progress counts the missing bytes of all files together.
   * @returns bytes sent
   */
  async putAll(items: readonly StoreItem[], options: Omit<StorePutOptions, 'mode'> = {}): Promise<number> {
    const wait = options.signal ? { signal: options.signal } : {};
    await this.prepare(wait);
    const there = await this.has(
      items.map(({ sha256 }) => sha256),
      wait,
    );
    const missing = [...new Map(items.map((item) => [item.sha256, item])).values()].filter(
      ({ sha256 }) => !there.has(sha256),
    );
    const total = missing.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total > 0) await this.#checkSpace(total, wait);
    let done = 0;
    for (const item of missing) {
      const before = done;
      const result = await this.device.push(item.localPath, this.path(item.sha256), {
        ...wait,
        sha256: item.sha256,
        mode: item.mode ?? 0o644,
        onProgress: (report) =>
          options.onProgress?.({ phase: 'push', done: before + report.done, total, unit: 'bytes' }),
      });
      done += result.bytes;
    }
    return done;
  }

  async list(options: WaitOptions = {}): Promise<StoreFile[]> {
    return (await this.#scan(options)).files;
  }

  /** Deletes what is not in `keep`, and what pushes that broke off long ago left. */
  async gc(keep: Iterable<string>, options: WaitOptions = {}): Promise<{ files: number; bytes: number }> {
    const kept = new Set(keep);
    const { files, stale } = await this.#scan(options);
    const unused = files
      .filter(({ sha256 }) => !kept.has(sha256))
      .map(({ sha256, bytes }) => ({ name: sha256, bytes }));
    const doomed = [...unused, ...stale];
    for (let at = 0; at < doomed.length; at += BATCH) {
      const names = doomed.slice(at, at + BATCH).map(({ name }) => name);
      await run(this.device, script(REMOVE, `${this.root}/store`, ...names), options);
    }
    return { files: doomed.length, bytes: doomed.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Free and total bytes of the file system that the store is on. */
  async space(options: WaitOptions = {}): Promise<{ freeBytes: number; totalBytes: number }> {
    const space = parseDf(await run(this.device, ['df', '-k', DEVICE_TMP], options));
    if (space !== undefined) return space;
    throw new MftError(`can't read the free space of ${this.device}`, {
      code: 'device.unreadable',
      exit: ExitCode.incapable,
    });
  }

  async #checkSpace(needed: number, options: WaitOptions): Promise<void> {
    const { freeBytes } = await this.space(options);
    if (freeBytes >= needed + RESERVE_BYTES) return;
    throw new MftError(
      `${this.device} is full: ${formatBytes(needed)} are to be pushed and ${formatBytes(RESERVE_BYTES)} must stay free, but only ${formatBytes(freeBytes)} are free on ${DEVICE_TMP}`,
      {
        code: 'device.disk-full',
        exit: ExitCode.incapable,
        suggestions: [
          'Free what no run needs any more: mft gc',
          `Free at least ${formatBytes(needed + RESERVE_BYTES - freeBytes)} on the phone.`,
        ],
      },
    );
  }

  async #scan(
    options: WaitOptions,
  ): Promise<{ files: StoreFile[]; stale: { name: string; bytes: number }[] }> {
    const [clock = '', ...lines] = (
      await run(this.device, script(LIST, `${this.root}/store`), options)
    ).split('\n');
    const files: StoreFile[] = [];
    const stale: { name: string; bytes: number }[] = [];
    for (const line of lines) {
      const [, size, modified, name = ''] = /^(\d+) (-?\d+) (.+)$/.exec(line) ?? [];
      const bytes = Number(size);
      if (SHA256.test(name)) files.push({ sha256: name, bytes });
      else if (/^\.mft-part-[0-9a-f]+$/.test(name) && Number(clock) - Number(modified) > STALE_SECONDS)
        stale.push({ name, bytes });
    }
    return { files, stale };
  }
}

function checked(sha256: string): string {
  if (SHA256.test(sha256)) return sha256;
  throw new RangeError(`not a sha256: ${JSON.stringify(sha256)}`);
}
