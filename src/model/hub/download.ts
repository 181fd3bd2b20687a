/** One file of a repository, whole or not there: what came is kept, hashed, and gone on with. */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Operation } from '../../base/progress.ts';
import { syncFolder } from '../staging.ts';
import { guardedFetch, WRONG_RANGE } from './connection.ts';
import { explain, HubCut, HubStatus, hubError } from './errors.ts';
import { clientOptions, type RemoteFile, type Repository } from './repository.ts';
import { type Patience, retrying } from './retry.ts';

const READ_BYTES = 1 << 20;

export interface DownloadOptions extends Pick<Operation, 'signal'> {
  patience: Patience;
  /** Called with how much of the file is here, whenever that changes. */
  onBytes?: (have: number) => void;
}

/**
 * Downloads a file to `target`, which appears when its hash is right; what is here already is not asked for again. Memory:
 * a few pieces of the network's size.
 * @throws MftError hub.hash-mismatch, and hub.* as the hub refuses.
 */
export async function download(
  repository: Repository,
  file: RemoteFile,
  target: string,
  options: DownloadOptions,
): Promise<void> {
  if ((await stat(target).catch(() => undefined))?.size === file.bytes) return options.onBytes?.(file.bytes);
  const partial = `${target}.${file.hash.digest.slice(0, 16)}.partial`;
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    const growing = await resume(handle, file, options.signal);
    const resumed = growing.have > 0;
    await fill(repository, growing, options);
    if (!isRight(growing) && resumed) {
      // What a crash left need not be what was written.
      await restart(growing);
      await fill(repository, growing, options);
    }
    if (!isRight(growing)) {
      await rm(partial, { force: true });
      throw wrongHash(repository, file);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, target);
  await syncFolder(dirname(target));
}

interface Growing {
  handle: FileHandle;
  file: RemoteFile;
  /** Bytes in the file, all of them in the hash. */
  have: number;
  hash: Hash;
}

async function resume(handle: FileHandle, file: RemoteFile, signal?: AbortSignal): Promise<Growing> {
  const growing = { handle, file, have: 0, hash: newHash(file) };
  const { size } = await handle.stat();
  if (size > file.bytes) {
    await restart(growing);
    return growing;
  }
  const piece = Buffer.alloc(Math.min(size, READ_BYTES));
  while (growing.have < size) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(piece, 0, piece.length, growing.have);
    if (bytesRead === 0) break;
    growing.hash.update(piece.subarray(0, bytesRead));
    growing.have += bytesRead;
  }
  return growing;
}

async function restart(growing: Growing): Promise<void> {
  await growing.handle.truncate(0);
  growing.have = 0;
  growing.hash = newHash(growing.file);
}

function newHash({ hash, bytes }: RemoteFile): Hash {
  return hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

function isRight({ hash, file }: Growing): boolean {
  return hash.copy().digest('hex') === file.hash.digest;
}

/** Fetches what is missing, again after each cut. */
async function fill(repository: Repository, growing: Growing, options: DownloadOptions): Promise<void> {
  const { connection, name, revision } = repository;
  const { file } = growing;
  options.onBytes?.(growing.have);
  try {
    await retrying({ ...options.patience, signal: options.signal }, async (moved) => {
      for await (const piece of missingBytes(repository, growing, options)) {
        if (growing.have + piece.length > file.bytes)
          throw hubError(`${connection.endpoint} sends more than the ${file.bytes} bytes of ${file.path}`, {
            code: 'hub.malformed',
            suggestions: ['Is HF_ENDPOINT a hub?'],
          });
        await writeAll(growing.handle, piece, growing.have);
        growing.hash.update(piece);
        growing.have += piece.length;
        moved();
        options.onBytes?.(growing.have);
      }
      if (growing.have < file.bytes) throw new HubCut('the connection ended early');
    });
  } catch (error) {
    const { endpoint, token } = connection;
    throw explain(error, { endpoint, repo: name, revision, hasToken: token !== undefined, file: file.path });
  }
}

async function* missingBytes(
  { connection, name, commit }: Repository,
  growing: Growing,
  { signal, patience }: DownloadOptions,
): AsyncGenerator<Uint8Array> {
  const { path, bytes, hash } = growing.file;
  if (growing.have === bytes) return;
  const stalled = new AbortController();
  const timer = setTimeout(
    () => stalled.abort(new HubCut(`no byte came for ${Math.round(patience.stallMs / 1000)} s`)),
    patience.stallMs,
  );
  let failure: unknown;
  const { downloadFile } = await import('@huggingface/hub');
  try {
    const either = signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]);
    const url = `${connection.endpoint}/${name}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const blob = await downloadFile({
      repo: name,
      path,
      revision: commit,
      xet: false, // plain HTTP with ranges is what every mirror has
      downloadInfo: { size: bytes, etag: hash.digest, url },
      ...clientOptions(
        connection,
        guardedFetch(connection, either, (error) => {
          failure = error;
        }),
      ),
    });
    if (blob === null) throw new HubStatus(404, 'EntryNotFound');
    const rest = growing.have === 0 ? blob : blob.slice(growing.have, bytes);
    for await (const piece of rest.stream()) {
      timer.refresh();
      yield piece;
    }
  } catch (error) {
    const cause = stalled.signal.aborted ? stalled.signal.reason : (failure ?? error);
    if (!(cause instanceof HubStatus && cause.status === WRONG_RANGE)) throw cause;
    await restart(growing); // a server without ranges: from the beginning
    throw new HubCut('the server gives no parts of a file');
  } finally {
    clearTimeout(timer);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

function wrongHash({ name, commit }: Repository, { path, hash }: RemoteFile) {
  return hubError(`${path} of ${name} is not what the hub says it is: its ${hash.kind} hash differs`, {
    code: 'hub.hash-mismatch',
    suggestions: [
      'What came was thrown away: run the same command again.',
      `If it happens again, a proxy or mirror changes the file (commit ${commit}).`,
    ],
  });
}
