import { AdbFail } from './errors.ts';
import type { RemoteStat } from './types.ts';
import type { Wire } from './wire.ts';

/**
 * The sync service (AOSP file_sync_protocol.h): requests are a four-letter id, u32 little-endian, payload. Written
 * here and not taken from adbkit because its push sets no mtime and goes on sending after the phone refused, its pull
 * reads ahead without limit, ends before it fails, and its STA2 takes every error for "no such file".
 */

/** SYNC_DATA_MAX: no DATA record is larger, in either direction. */
export const DATA_MAX_BYTES = 64 * 1024;
/** A FAIL's message; more is not a message. */
const MESSAGE_MAX_BYTES = 64 * 1024;

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const ENOENT = 2;
const ENOTDIR = 20;

/** The phone's errno of a STA2. */
export class RemoteErrno extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(errno === 13 ? 'Permission denied' : `errno ${errno}`);
    this.name = 'RemoteErrno';
    this.errno = errno;
  }
}

function record(id: string, value: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(8);
  head.write(id, 'latin1');
  head.writeUInt32LE(value, 4);
  return Buffer.concat([head, payload]);
}

function request(id: string, argument: string): Buffer {
  const payload = Buffer.from(argument);
  return record(id, payload.length, payload);
}

/** STA2: 64-bit sizes, follows links. `undefined`: there is no such file. (STAT's sizes wrap at 4 GiB.) */
export async function syncStat(wire: Wire, path: string): Promise<RemoteStat | undefined> {
  await wire.write(request('STA2', path));
  await expectId(wire, 'STA2');
  const reply = await wire.bytes(68);
  const errno = reply.readUInt32LE(0);
  if (errno === ENOENT || errno === ENOTDIR) return undefined;
  if (errno !== 0) throw new RemoteErrno(errno);
  const mode = reply.readUInt32LE(20);
  return {
    mode,
    uid: reply.readUInt32LE(28),
    gid: reply.readUInt32LE(32),
    size: Number(reply.readBigUInt64LE(36)),
    mtime: new Date(Number(reply.readBigInt64LE(52)) * 1000),
    isFile: (mode & S_IFMT) === S_IFREG,
    isDirectory: (mode & S_IFMT) === S_IFDIR,
  };
}

/**
 * SEND: a regular file. The mode is only a wish: adbd copies the owner's bits to group and others.
 * @param onSent is told the bytes of each record once the connection took it
 * @throws AdbFail as soon as the phone refuses, without sending the rest.
 */
export async function syncSend(
  wire: Wire,
  path: string,
  options: { mode: number; mtime: Date },
  source: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
): Promise<void> {
  await wire.write(request('SEND', `${path},${S_IFREG | (options.mode & 0o777)}`));
  let refused: { error: unknown } | undefined;
  const reply = expectId(wire, 'OKAY').then(() => wire.bytes(4));
  const failed = reply.then(
    () => {},
    (error: unknown) => {
      refused = { error };
    },
  );
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length && refused === undefined; at += DATA_MAX_BYTES) {
      const data = chunk.subarray(at, at + DATA_MAX_BYTES);
      // A phone that refused may no longer read: its answer must end the wait for room in the connection.
      await Promise.race([wire.write(record('DATA', data.length, data)).catch(() => failed), failed]);
      onSent(data.length);
    }
    if (refused !== undefined) break;
  }
  if (refused === undefined)
    await wire.write(record('DONE', Math.floor(options.mtime.getTime() / 1000))).catch(() => failed);
  await reply;
}

/** RECV: the file's bytes as they come, read only as fast as they are taken. */
export async function* syncReceive(wire: Wire, path: string): AsyncGenerator<Buffer, void, void> {
  await wire.write(request('RECV', path));
  for (;;) {
    const id = await expectId(wire, 'DATA', 'DONE');
    const length = (await wire.bytes(4)).readUInt32LE(0);
    if (id === 'DONE') return;
    if (length > DATA_MAX_BYTES) throw new Error(`sync record of ${length} bytes is over ${DATA_MAX_BYTES}`);
    yield await wire.bytes(length);
  }
}

async function expectId(wire: Wire, ...wanted: string[]): Promise<string> {
  const id = (await wire.bytes(4)).toString('latin1');
  if (wanted.includes(id)) return id;
  if (id !== 'FAIL') throw new Error(`sync answered ${JSON.stringify(id)} instead of ${wanted.join(' or ')}`);
  const length = (await wire.bytes(4)).readUInt32LE(0);
  if (length > MESSAGE_MAX_BYTES) throw new Error(`sync error message of ${length} bytes`);
  throw new AdbFail((await wire.bytes(length)).toString());
}
