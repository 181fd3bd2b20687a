import { fchmodSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { posix } from 'node:path';

/** An error with an errno name, as node:fs throws them, for what the phone itself refuses. */
export class FileError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(describe(code));
    this.code = code;
  }
}

const descriptions: Record<string, string> = {
  E2BIG: 'Argument list too long',
  EACCES: 'Permission denied',
  EBADF: 'Bad file descriptor',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many symbolic links encountered',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOMEM: 'Out of memory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  EXDEV: 'Cross-device link',
};

export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'EIO';
}

/** bionic's strerror. */
export function describe(code: string): string {
  return descriptions[code] ?? 'I/O error';
}

/** Linux's number of an errno name. */
export function errnoOf(code: string): number {
  const numbers: Record<string, number> = constants.errno;
  return numbers[code] ?? 5;
}

/** Devices of the host that a phone has too. */
const devices = new Set(['/dev/null', '/dev/zero', '/dev/full', '/dev/urandom', '/dev/random']);
const MAX_LINKS = 40;
const MAX_PATH = 4096;

/** Opens a host file; one that this creates has mode 0666, because adbd's children have umask 0. */
export function openAs(host: string, flag: string): number {
  const isNew = lstatSync(host, { throwIfNoEntry: false }) === undefined;
  const fd = openSync(host, flag, 0o666);
  if (isNew) fchmodSync(fd, 0o666);
  return fd;
}

export interface Resolved {
  /** Where it is on the host. */
  host: string;
  /** Its canonical path on the phone. */
  path: string;
}

/**
 * The phone's file tree inside a folder of the host. Every path is walked component by component within that folder, so that neither
 * `..` nor a symbolic link leads out of it.
 */
export class PhoneFiles {
  readonly root: string;
  readonly #ownsPid: (pid: number) => boolean;
  /** Bytes that may still be written while the `disk-full` fault is on. */
  #remaining: number | undefined;

  /** @param ownsPid whether /proc/<pid> of the host is a process of this phone. */
  constructor(root: string, ownsPid: (pid: number) => boolean) {
    this.root = root;
    this.#ownsPid = ownsPid;
  }

  /**
   * Where a phone's path leads. The last component need not exist.
   * @param follow whether a symbolic link in the last place is followed
   * @throws FileError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG
   */
  resolve(path: string, cwd = '/', follow = true): Resolved {
    if (path === '') throw new FileError('ENOENT');
    if (path.length > MAX_PATH || path.includes('\0')) throw new FileError('ENAMETOOLONG');
    const absolute = path.startsWith('/') ? path : `${cwd}/${path}`;
    let todo = absolute.split('/').filter((part) => part !== '' && part !== '.');
    const slash = /\/\.?$/.test(path);
    let done: string[] = [];
    let links = 0;
    while (todo.length > 0) {
      const [part, ...rest] = todo;
      if (part === undefined) break;
      todo = rest;
      if (part === '..') {
        done.pop();
        continue;
      }
      const here = [...done, part];
      const special = this.#special(here, todo);
      if (special !== undefined) return special;
      const stat = lstatSync(this.#host(here), { throwIfNoEntry: false });
      if (stat === undefined && todo.length > 0) throw new FileError('ENOENT');
      if (stat?.isSymbolicLink() && (todo.length > 0 || follow || slash)) {
        links += 1;
        if (links > MAX_LINKS) throw new FileError('ELOOP');
        const target = readlinkSync(this.#host(here));
        if (target.startsWith('/')) done = [];
        todo = [...target.split('/').filter((piece) => piece !== '' && piece !== '.'), ...todo];
        continue;
      }
      if (stat !== undefined && !stat.isDirectory() && (todo.length > 0 || slash))
        throw new FileError('ENOTDIR');
      done = here;
    }
    return { host: this.#host(done), path: `/${done.join('/')}` };
  }

  /** Like resolve, for something that will be created, changed or removed. @throws FileError EACCES, EROFS too */
  resolveWritable(path: string, cwd = '/', follow = true): Resolved {
    const resolved = this.resolve(path, cwd, follow);
    if (!this.isWritable(resolved.path)) {
      throw new FileError(
        /^\/(system|vendor|product)(\/|$)|^\/[^/]*$/.test(resolved.path) ? 'EROFS' : 'EACCES',
      );
    }
    return resolved;
  }

  exists(path: string, cwd = '/'): boolean {
    try {
      return lstatSync(this.resolve(path, cwd, false).host, { throwIfNoEntry: false }) !== undefined;
    } catch {
      return false;
    }
  }

  /** What uid 2000 may write to. */
  isWritable(path: string): boolean {
    return devices.has(path) || /^\/(data\/local\/tmp|storage\/emulated\/0)(\/|$)/.test(path);
  }

  /** /sdcard is mounted noexec. */
  isExecutablePlace(path: string): boolean {
    return !path.startsWith('/storage/');
  }

  /** The owner that a phone would show. */
  ownerOf(path: string): { uid: number; gid: number; user: string; group: string } {
    if (/^\/data\/local\/tmp(\/|$)/.test(path))
      return { uid: 2000, gid: 2000, user: 'shell', group: 'shell' };
    if (path.startsWith('/storage/')) return { uid: 2000, gid: 1015, user: 'shell', group: 'sdcard_rw' };
    return { uid: 0, gid: 0, user: 'root', group: 'root' };
  }

  /** The canonical form of a path's text, without looking at the file system. */
  normalize(path: string, cwd: string): string {
    return posix.resolve(cwd, path);
  }

  /** @param bytes what may still be written, or undefined for no limit */
  limitSpace(bytes: number | undefined): void {
    this.#remaining = bytes;
  }

  get spaceLimit(): number | undefined {
    return this.#remaining;
  }

  /** Accounts for bytes that are about to be written. @throws FileError ENOSPC */
  takeSpace(bytes: number): void {
    if (this.#remaining === undefined) return;
    if (bytes > this.#remaining) throw new FileError('ENOSPC');
    this.#remaining -= bytes;
  }

  #host(parts: string[]): string {
    return parts.length === 0 ? this.root : `${this.root}/${parts.join('/')}`;
  }

  /** /dev/null and its like, and /proc/<pid> of the phone's own processes, are the host's. */
  #special(here: string[], rest: string[]): Resolved | undefined {
    const path = `/${here.join('/')}`;
    if (devices.has(path)) return { host: path, path };
    if (here[0] !== 'proc' || here.length !== 2) return undefined;
    const name = here[1] ?? '';
    if (name === 'self' || name === 'thread-self') throw new FileError('ENOENT');
    if (!/^[0-9]{1,9}$/.test(name) || !this.#ownsPid(Number(name))) return undefined;
    // cwd, root, exe and fd lead out of the phone.
    const deep = rest.find((part) => /^(cwd|root|exe|fd|map_files|task|\.\.)$/.test(part));
    if (deep !== undefined) throw new FileError('EACCES');
    const inside = [path, ...rest].join('/');
    return { host: inside, path: inside };
  }
}
