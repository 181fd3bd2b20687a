import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { ExitCode, MftError } from '../base/errors.ts';
import { type DeviceContext, withSync } from './context.ts';
import { AdbFail, formatDevice } from './errors.ts';
import { checkRemotePath } from './push.ts';
import { syncReceive } from './sync.ts';
import type { PullOptions, TransferResult } from './types.ts';

/** Receives beside the target, checks size (and hash, if asked), syncs, then gives it its name. */
export async function pullFile(
  device: DeviceContext,
  remote: string,
  local: string,
  options: PullOptions = {},
): Promise<TransferResult> {
  checkRemotePath(remote);
  const signal = options.signal ? { signal: options.signal } : {};
  const there = await device.stat(remote, signal);
  if (!there?.isFile) throw unreadable(device, remote, there === undefined ? 'no such file' : 'not a file');
  const wanted = await expectedHash(device, remote, options);
  const temporary = `${local}.part-${randomBytes(8).toString('hex')}`;
  try {
    const got = await receive(device, remote, temporary, there.size, options);
    if (got.bytes !== there.size) {
      throw new MftError(
        `${remote} was pulled incomplete: ${got.bytes} of ${there.size} bytes; it may have been written to meanwhile`,
        { code: 'adb.pull-incomplete', exit: ExitCode.lostContact, suggestions: ['Try again.'] },
      );
    }
    if (wanted !== undefined && wanted !== got.sha256) {
      throw new MftError(`${remote} was damaged on its way: sha256 ${wanted} became ${got.sha256}`, {
        code: 'adb.pull-corrupt',
        exit: ExitCode.lostContact,
        suggestions: ['Try again; another cable if it happens again.'],
      });
    }
    await rename(temporary, local);
    return got;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof AdbFail ? unreadable(device, remote, error.message) : error;
  }
}

async function receive(
  device: DeviceContext,
  remote: string,
  temporary: string,
  total: number,
  options: PullOptions,
): Promise<TransferResult> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(temporary, 'wx');
  try {
    await withSync(device, `the pull of ${remote}`, options, async (wire, alive) => {
      for await (const chunk of syncReceive(wire, remote)) {
        alive();
        bytes += chunk.length;
        // A phone that sends more than it said must not fill the host's disk.
        if (bytes > total) return;
        hash.update(chunk);
        await file.writeFile(chunk);
        options.onProgress?.({ phase: 'pull', done: bytes, total, unit: 'bytes' });
      }
    });
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function expectedHash(
  device: DeviceContext,
  remote: string,
  options: PullOptions,
): Promise<string | undefined> {
  if (typeof options.sha256 === 'string') return options.sha256.toLowerCase();
  if (options.sha256 !== true) return undefined;
  // stdin, because sha256sum escapes odd names.
  const argv = ['sh', '-c', 'sha256sum < "$1"', 'sh', remote];
  const result = await device.exec(argv, options.signal ? { signal: options.signal } : {});
  const sum = /^[0-9a-f]{64}\b/.exec(result.stdout.toString())?.[0];
  if (result.exitCode !== 0 || sum === undefined)
    throw unreadable(device, remote, result.stderr.toString().trim() || 'sha256sum failed');
  return sum;
}

function unreadable(device: DeviceContext, remote: string, why: string): MftError {
  return new MftError(`can't read ${remote} on ${formatDevice(device.address)}: ${why}`, {
    code: 'adb.pull-refused',
    exit: ExitCode.incapable,
  });
}
