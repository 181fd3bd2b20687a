import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { ExitCode, MftError } from '../base/errors.ts';
import { type DeviceContext, withSync } from './context.ts';
import { AdbFail, formatDevice } from './errors.ts';
import { expectFailure } from './shell.ts';
import { DATA_MAX_BYTES, syncSend } from './sync.ts';
import type { PushOptions, TransferResult } from './types.ts';

/**
 * Ends a push on the phone: $1 temporary file, $2 its name, $3 mode, $4 sha256 or empty. chmod, because adbd copies the
 * owner's permission bits to everybody; sync before the rename, so that a phone that loses power does not keep an
 * empty file under the final name; hashing reads stdin, because sha256sum escapes odd names.
 */
const FINISH = `
if [ -n "$4" ]; then
  sum=$(sha256sum < "$1") || exit 90
  case "$sum" in "$4"*) ;; *) rm -f "$1"; echo "$sum"; exit 91;; esac
fi
if [ -d "$2" ]; then rm -f "$1"; exit 92; fi
chmod "$3" "$1" || exit 93
{ fsync "$1" || sync "$1" || sync; } >/dev/null 2>&1
mv -f "$1" "$2" || exit 94`;

/** A file of its own only: what it holds never exists with other permissions, not even for a moment. */
const WRITE_PRIVATE = 'umask 077; cat > "$1"';

/**
 * Sends to a temporary name beside the target, checks the size (and the hash, if asked), then gives it its name.
 * @param source a local path, bytes, or a stream of bytes
 */
export async function pushFile(
  device: DeviceContext,
  source: string | Uint8Array | Readable,
  remote: string,
  options: PushOptions = {},
): Promise<TransferResult> {
  checkRemotePath(remote);
  expectFailure(source);
  const total = await sizeOf(source);
  const mode = options.mode ?? 0o644;
  const temporary = posix.join(posix.dirname(remote), `.mft-part-${randomBytes(8).toString('hex')}`);
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of chunksOf(source)) {
      options.signal?.throwIfAborted();
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  let sent = 0;
  const onSent = (count: number) => {
    sent += count;
    options.onProgress?.({ phase: 'push', done: sent, total: Math.max(total, sent), unit: 'bytes' });
  };
  try {
    if ((mode & 0o077) === 0) await writePrivate(device, temporary, counted(), onSent, options.signal);
    else {
      await withSync(device, `the push of ${remote}`, options, (wire, alive) =>
        syncSend(wire, temporary, { mode, mtime: options.mtime ?? new Date() }, counted(), (count) => {
          alive();
          onSent(count);
        }),
      );
    }
    const sha256 = hash.digest('hex');
    checkLocalHash(source, sha256, options.sha256);
    await checkSize(device, temporary, remote, bytes, options.signal);
    await finish(device, [temporary, remote, mode.toString(8), options.sha256 ? sha256 : ''], options.signal);
    return { bytes, sha256 };
  } catch (error) {
    discard(device, temporary, options.signal);
    throw error instanceof AdbFail ? refused(device, remote, error.message) : error;
  }
}

export function checkRemotePath(remote: string): void {
  if (remote.startsWith('/') && !remote.includes('\0') && !remote.endsWith('/')) return;
  throw new MftError(`${JSON.stringify(remote)} is not an absolute path of a file on the phone`, {
    code: 'adb.bad-path',
    exit: ExitCode.usage,
  });
}

async function sizeOf(source: string | Uint8Array | Readable): Promise<number> {
  if (typeof source === 'string') {
    const info = await stat(source);
    if (info.isFile()) return info.size;
    throw new MftError(`${source} is not a file`, { code: 'adb.not-a-file', exit: ExitCode.usage });
  }
  return source instanceof Readable ? 0 : source.length;
}

function chunksOf(source: string | Uint8Array | Readable): AsyncIterable<Uint8Array> {
  if (typeof source === 'string') return createReadStream(source, { highWaterMark: 4 * DATA_MAX_BYTES });
  return source instanceof Readable ? source : Readable.from([source]);
}

async function writePrivate(
  device: DeviceContext,
  temporary: string,
  source: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  async function* reporting(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of source) {
      yield chunk;
      onSent(chunk.length);
    }
  }
  const stdin = Readable.from(reporting(), { objectMode: false });
  const options = { stdin, ...(signal ? { signal } : {}) };
  const result = await device.exec(['sh', '-c', WRITE_PRIVATE, 'sh', temporary], options);
  if (result.exitCode !== 0) throw new AdbFail(result.stderr.toString().trim());
}

function checkLocalHash(source: unknown, got: string, wanted: boolean | string | undefined): void {
  if (typeof wanted !== 'string' || wanted === got) return;
  const what = typeof source === 'string' ? source : 'the data to push';
  throw new MftError(`${what} is not what it should be: its sha256 is ${got}, expected ${wanted}`, {
    code: 'adb.source-changed',
    exit: ExitCode.usage,
    suggestions: ['The file was changed or damaged on this computer: make or import it again.'],
  });
}

async function checkSize(
  device: DeviceContext,
  temporary: string,
  remote: string,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const there = await device.stat(temporary, signal ? { signal } : {});
  if (there?.size === bytes) return;
  throw new MftError(
    `${remote} arrived incomplete on ${formatDevice(device.address)}: ${there?.size ?? 0} of ${bytes} bytes`,
    { code: 'adb.push-incomplete', exit: ExitCode.lostContact, suggestions: ['Try again.'] },
  );
}

async function finish(device: DeviceContext, args: string[], signal: AbortSignal | undefined): Promise<void> {
  const result = await device.exec(['sh', '-c', FINISH, 'sh', ...args], signal ? { signal } : {});
  if (result.exitCode === 0) return;
  const [, remote = '', , sha256 = ''] = args;
  if (result.exitCode === 91) {
    throw new MftError(
      `${remote} was damaged on its way to ${formatDevice(device.address)}: sha256 ${sha256} became ${result.stdout.toString().slice(0, 64)}`,
      {
        code: 'adb.push-corrupt',
        exit: ExitCode.lostContact,
        suggestions: ['Try again; another cable if it happens again.'],
      },
    );
  }
  const why = result.exitCode === 92 ? 'it is a directory there' : result.stderr.toString().trim();
  throw new AdbFail(why || `exit code ${result.exitCode}`);
}

function refused(device: DeviceContext, remote: string, message: string): MftError {
  const full = /no space left/i.test(message);
  return new MftError(`${formatDevice(device.address)} did not take ${remote}: ${message}`, {
    code: full ? 'device.disk-full' : 'adb.push-refused',
    exit: ExitCode.incapable,
    suggestions: full ? ['Free space on the phone: mft gc, or delete files there.'] : [],
  });
}

/** Best effort and not waited for: adbd removes a push that broke off itself, and contact may be gone. */
function discard(device: DeviceContext, temporary: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) return; // The caller leaves; adbd unlinks what it did not get whole.
  device.exec(['rm', '-f', temporary], { timeoutMs: 5000 }).catch(() => {});
}
