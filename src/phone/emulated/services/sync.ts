import {
  chmodSync,
  closeSync,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  unlinkSync,
  writev,
} from 'node:fs';
import { lstat, open, readdir, readlink, stat, symlink, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, describe, errnoOf, FileError, type PhoneFiles } from '../files.ts';
import { type AdbStream, StreamClosed } from '../wire/stream.ts';
import { StreamReader } from './stream-reader.ts';
import {
  dentV1,
  dentV2,
  statusDone,
  statusFail,
  statusOkay,
  statV1,
  statV2,
  statV2Error,
} from './sync-records.ts';

/** SYNC_DATA_MAX: a bigger DATA record is refused before memory is taken. */
const DATA_MAX = 64 * 1024;
const MAX_PATH = 1024;
/** Collected before it is written to the file. */
const WRITE_BATCH = 1024 * 1024;
const writeVector = promisify(writev);

/**
 * The `sync:` service (AOSP: daemon/file_sync_service.cpp, SYNC.TXT): STAT, STA2, LST2, LIST, LIS2, SEND, SND2, RECV, RCV2, QUIT;
 * no compression.
 */
export async function serveSync(stream: AdbStream, files: PhoneFiles): Promise<void> {
  const session = new SyncSession(stream, files);
  try {
    while (await session.request()) {
      // one request after the other until QUIT or the end of the stream
    }
    stream.end();
  } catch (error) {
    if (!(error instanceof StreamClosed)) stream.end();
  }
}

class SyncSession {
  readonly #stream: AdbStream;
  readonly #reader: StreamReader;
  readonly #files: PhoneFiles;

  constructor(stream: AdbStream, files: PhoneFiles) {
    this.#stream = stream;
    this.#reader = new StreamReader(stream);
    this.#files = files;
  }

  /** Handles one request. False: the stream is to be closed. */
  async request(): Promise<boolean> {
    const head = await this.#reader.exactly(8);
    if (head === null) return false;
    const id = head.toString('latin1', 0, 4);
    const length = head.readUInt32LE(4);
    if (id === 'QUIT') return false;
    if (length > MAX_PATH) {
      await this.#fail('path too long');
      return false;
    }
    const name = await this.#reader.exactly(length);
    if (name === null) return false;
    const path = name.toString('utf8');
    switch (id) {
      case 'STAT':
        await this.#statV1(path);
        return true;
      case 'STA2':
      case 'LST2':
        await this.#statV2(id, path);
        return true;
      case 'LIST':
      case 'LIS2':
        await this.#list(path, id === 'LIS2');
        return true;
      case 'SEND':
        return await this.#sendV1(path);
      case 'SND2':
        return await this.#sendV2(path);
      case 'RECV':
        return await this.#receive(path);
      case 'RCV2':
        return await this.#receiveV2(path);
      default:
        await this.#fail(`unknown command ${head.toString('hex', 0, 4)}`);
        return false;
    }
  }

  async #fail(message: string): Promise<void> {
    await this.#stream.write(statusFail(message));
  }

  async #statV1(path: string): Promise<void> {
    try {
      await this.#stream.write(statV1(await lstat(this.#files.resolve(path, '/', false).host)));
    } catch (error) {
      if (error instanceof StreamClosed) throw error;
      await this.#stream.write(statV1(undefined));
    }
  }

  async #statV2(id: 'STA2' | 'LST2', path: string): Promise<void> {
    let answer: Buffer;
    try {
      const resolved = this.#files.resolve(path, '/', id === 'STA2');
      answer = statV2(id, await lstat(resolved.host, { bigint: true }), this.#files.ownerOf(resolved.path));
    } catch (error) {
      answer = statV2Error(id, errnoOf(codeOf(error)));
    }
    await this.#stream.write(answer);
  }

  async #list(path: string, second: boolean): Promise<void> {
    let names: string[] = [];
    let folder = { host: '', path: '' };
    try {
      folder = this.#files.resolve(path);
      names = ['.', '..', ...(await readdir(folder.host))];
    } catch {
      // AOSP answers an unreadable directory with an empty list.
    }
    for (const name of names) {
      const host = `${folder.host}/${name === '..' && folder.path === '/' ? '.' : name}`;
      try {
        if (second) {
          await this.#stream.write(
            dentV2(name, await lstat(host, { bigint: true }), this.#files.ownerOf(folder.path)),
          );
        } else await this.#stream.write(dentV1(name, await lstat(host)));
      } catch (error) {
        if (error instanceof StreamClosed) throw error;
      }
    }
    await this.#stream.write(statusDone(second ? 72 : 16));
  }

  async #sendV1(spec: string): Promise<boolean> {
    const comma = spec.lastIndexOf(',');
    const mode = comma < 0 ? Number.NaN : Number(spec.slice(comma + 1));
    if (!Number.isInteger(mode) || mode < 0) {
      await this.#fail('missing or invalid file mode');
      return false;
    }
    return await this.#store(spec.slice(0, comma), mode);
  }

  async #sendV2(path: string): Promise<boolean> {
    const setup = await this.#reader.exactly(12);
    if (setup === null || setup.toString('latin1', 0, 4) !== 'SND2') return false;
    if (setup.readUInt32LE(8) !== 0) {
      await this.#fail(`unknown flags: ${setup.readUInt32LE(8)}`);
      return false;
    }
    return await this.#store(path, setup.readUInt32LE(4));
  }

  /** Takes DATA records until DONE; after an error the rest is swallowed before FAIL is said (hosts send without listening). */
  async #store(path: string, mode: number): Promise<boolean> {
    const target = new PushTarget(this.#files, path, mode);
    let failure: string | undefined;
    const note = (error: unknown): void => {
      failure ??= `${target.opened ? 'write failed' : "couldn't create file"}: ${describe(codeOf(error))}`;
    };
    try {
      target.open();
    } catch (error) {
      note(error);
    }
    for (;;) {
      const head = await this.#reader.exactly(8);
      if (head === null) {
        await target.discard();
        return false;
      }
      const id = head.toString('latin1', 0, 4);
      const length = head.readUInt32LE(4);
      if (id === 'DONE') {
        if (failure === undefined) await target.finish(length).catch(note);
        if (failure !== undefined) {
          await target.discard();
          await this.#fail(failure);
        } else await this.#stream.write(statusOkay());
        return true;
      }
      if (id !== 'DATA' || length > DATA_MAX) {
        await target.discard();
        await this.#fail(id === 'DATA' ? `oversize data message: ${length}` : 'invalid data message');
        return false;
      }
      for (let left = length; left > 0; ) {
        const piece = await this.#reader.some(left);
        if (piece === null) {
          await target.discard();
          return false;
        }
        left -= piece.length;
        if (failure === undefined) await target.write(piece).catch(note);
      }
    }
  }

  async #receiveV2(path: string): Promise<boolean> {
    const setup = await this.#reader.exactly(8);
    if (setup === null || setup.toString('latin1', 0, 4) !== 'RCV2') return false;
    if (setup.readUInt32LE(4) !== 0) {
      await this.#fail(`unknown flags: ${setup.readUInt32LE(4)}`);
      return false;
    }
    return await this.#receive(path);
  }

  async #receive(path: string): Promise<boolean> {
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      const { host } = this.#files.resolve(path);
      if ((await stat(host)).isDirectory()) throw new FileError('EISDIR');
      handle = await open(host, 'r');
    } catch (error) {
      await this.#fail(`open failed: ${describe(codeOf(error))}`);
      return true;
    }
    try {
      const batch = 16;
      let block = Buffer.allocUnsafe(batch * (8 + DATA_MAX));
      for (;;) {
        let fill = 0;
        let end = false;
        for (let i = 0; i < batch && !end; i += 1) {
          const { bytesRead } = await handle.read(block, fill + 8, DATA_MAX);
          end = bytesRead === 0;
          if (end) break;
          block.write('DATA', fill, 'latin1');
          block.writeUInt32LE(bytesRead, fill + 4);
          fill += 8 + bytesRead;
        }
        if (fill > 0) {
          await this.#stream.write(block.subarray(0, fill));
          block = Buffer.allocUnsafe(batch * (8 + DATA_MAX));
        }
        if (end) break;
      }
      await this.#stream.write(statusDone(4));
    } catch (error) {
      if (error instanceof StreamClosed) throw error;
      await this.#fail(`read failed: ${describe(codeOf(error))}`);
    } finally {
      await handle.close();
    }
    return true;
  }
}

/** The file (or symbolic link) that a push makes. What was there before is unlinked first, and what broke off is removed (as AOSP does). */
class PushTarget {
  readonly #files: PhoneFiles;
  readonly #path: string;
  readonly #mode: number;
  #host = '';
  #fd: number | undefined;
  #link: Buffer[] | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  opened = false;

  constructor(files: PhoneFiles, path: string, mode: number) {
    this.#files = files;
    this.#path = path;
    this.#mode = mode;
  }

  open(): void {
    this.#makeParents();
    this.#files.takeSpace(0);
    if (this.#files.spaceLimit === 0) throw new FileError('ENOSPC');
    this.#host = this.#files.resolveWritable(this.#path).host;
    const before = lstatSync(this.#host, { throwIfNoEntry: false });
    if (before?.isDirectory()) throw new FileError('EISDIR');
    if ((this.#mode & 0o170000) === 0o120000) {
      this.#host = this.#files.resolveWritable(this.#path, '/', false).host;
      this.#link = [];
    } else if (this.#host.startsWith('/dev/')) {
      this.#fd = openSync(this.#host, 'w');
    } else {
      if (before?.isFile()) unlinkSync(this.#host);
      this.#fd = openSync(this.#host, 'wx', 0o600);
      // AOSP copies the owner's bits to group and others: 0755 becomes 0777.
      const owner = (this.#mode >> 6) & 7;
      fchmodSync(this.#fd, owner * 0o111);
    }
    this.opened = true;
  }

  #makeParents(): void {
    const missing: string[] = [];
    for (let at = dirname(this.#path); at !== '/' && at !== '.'; at = dirname(at)) {
      try {
        if (lstatSync(this.#files.resolve(at).host, { throwIfNoEntry: false }) !== undefined) break;
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
      }
      missing.unshift(at);
    }
    for (const folder of missing) {
      const { host } = this.#files.resolveWritable(folder);
      mkdirSync(host);
      chmodSync(host, 0o777);
    }
  }

  async write(piece: Buffer): Promise<void> {
    this.#files.takeSpace(piece.length);
    if (this.#link !== undefined) {
      this.#link.push(piece);
      return;
    }
    this.#pending.push(piece);
    this.#pendingBytes += piece.length;
    if (this.#pendingBytes >= WRITE_BATCH) await this.#flush();
  }

  /** Starts writing what is pending and waits for the batch before, so that receiving and writing overlap. */
  async #flush(): Promise<void> {
    await this.#writing;
    const pieces = this.#pending;
    const fd = this.#fd;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (fd === undefined || pieces.length === 0) return;
    this.#writing = writeAll(fd, pieces);
    this.#writing.catch(() => undefined);
  }

  /** @param mtime seconds */
  async finish(mtime: number): Promise<void> {
    if (this.#link !== undefined) {
      const target = Buffer.concat(this.#link).toString('utf8').replace(/\0+$/, '');
      if (lstatSync(this.#host, { throwIfNoEntry: false }) !== undefined) unlinkSync(this.#host);
      await symlink(target, this.#host);
      await readlink(this.#host);
      return;
    }
    await this.#flush();
    await this.#writing;
    this.#close();
    if (!this.#host.startsWith('/dev/')) await utimes(this.#host, mtime, mtime);
  }

  async discard(): Promise<void> {
    await this.#writing.catch(() => undefined);
    this.#close();
    if (!this.opened || this.#link !== undefined || this.#host.startsWith('/dev/')) return;
    try {
      unlinkSync(this.#host);
    } catch {
      // already gone
    }
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

async function writeAll(fd: number, pieces: Buffer[]): Promise<void> {
  let todo = pieces;
  while (todo.length > 0) {
    let { bytesWritten } = await writeVector(fd, todo.slice(0, 1024));
    while (todo[0] !== undefined && bytesWritten >= todo[0].length) {
      bytesWritten -= todo[0].length;
      todo = todo.slice(1);
    }
    if (bytesWritten > 0 && todo[0] !== undefined) todo[0] = todo[0].subarray(bytesWritten);
  }
}
