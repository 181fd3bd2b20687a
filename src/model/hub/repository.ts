/** What a repository of a hub holds, at one commit. */
import { type Connection, guardedFetch } from './connection.ts';
import { explain, hubError } from './errors.ts';
import { type Patience, retrying } from './retry.ts';

export interface RemoteFile {
  /** With slashes, as in the repository. */
  path: string;
  bytes: number;
  /** Of its content: SHA-256 of what git keeps outside (LFS), else git's own name of a blob. */
  hash: { kind: 'sha256' | 'git-blob'; digest: string };
}

export interface Repository {
  connection: Connection;
  /** ORG/NAME */
  name: string;
  /** As the user said it. */
  revision: string;
  /** What it is at the moment: 40 hexadecimal digits. */
  commit: string;
}

const MAX_LISTED = 20_000;

/** @throws MftError hub.bad-name. */
export function checkRepoName(name: string): string {
  const part = '[A-Za-z0-9_][A-Za-z0-9._-]{0,95}';
  if (new RegExp(`^${part}/${part}$`).test(name) && !/\.\.|--/.test(name)) return name;
  throw hubError(`"${name.slice(0, 120)}" is no name of a model on a hub`, {
    code: 'hub.bad-name',
    suggestions: ['It is ORG/NAME, as in the address of its page: Qwen/Qwen2.5-0.5B'],
  });
}

/** Finds out which commit a revision is: everything after is read at that one. @throws MftError hub.*. */
export async function openRepository(
  connection: Connection,
  name: string,
  revision: string,
  patience: Patience,
): Promise<Repository> {
  const repository = { connection, name: checkRepoName(name), revision };
  const { modelInfo } = await import('@huggingface/hub'); // only who pulls loads it
  const info = await asking(repository, patience, (fetch) =>
    modelInfo({ name, revision, additionalFields: ['sha'], ...clientOptions(connection, fetch) }),
  );
  if (typeof info.sha !== 'string' || !/^[0-9a-f]{40}$/.test(info.sha))
    throw malformed(connection, 'names no commit');
  return { ...repository, commit: info.sha };
}

/** The files of one folder ('' is the top). @throws MftError hub.*. */
export async function listFolder(
  repository: Repository,
  folder: string,
  patience: Patience,
): Promise<Map<string, RemoteFile>> {
  const { connection, name, commit } = repository;
  const { listFiles } = await import('@huggingface/hub');
  const path = folder.split('/').map(encodeURIComponent).join('/');
  return await asking(repository, patience, async (fetch) => {
    const files = new Map<string, RemoteFile>();
    let count = 0;
    const entries = listFiles({ repo: name, revision: commit, path, ...clientOptions(connection, fetch) });
    for await (const entry of entries) {
      count += 1;
      if (count > MAX_LISTED) throw malformed(connection, `lists more than ${MAX_LISTED} files`);
      if (entry?.type === 'file') files.set(entry.path, remoteFile(entry, connection));
    }
    return files;
  });
}

function remoteFile(
  entry: { path: string; size: number; oid?: string; lfs?: { oid: string; size: number } },
  connection: Connection,
): RemoteFile {
  const { path, lfs, oid = '' } = entry;
  const bytes = lfs?.size ?? entry.size;
  const digest = lfs?.oid ?? oid;
  if (typeof path !== 'string' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw malformed(connection, 'lists a file without name or size');
  if (!(lfs === undefined ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/).test(digest))
    throw malformed(connection, `lists ${path.slice(0, 200)} without its hash`);
  return { path, bytes, hash: { kind: lfs === undefined ? 'git-blob' : 'sha256', digest } };
}

export function clientOptions({ endpoint, token }: Connection, guarded: typeof fetch) {
  return { hubUrl: endpoint, fetch: guarded, ...(token === undefined ? {} : { accessToken: token }) };
}

async function asking<T>(
  { connection, name, revision }: Omit<Repository, 'commit'>,
  patience: Patience,
  ask: (guarded: typeof fetch) => Promise<T>,
): Promise<T> {
  const { endpoint, token } = connection;
  try {
    return await retrying(patience, () => {
      const stalled = AbortSignal.timeout(patience.stallMs);
      const { signal } = patience;
      const either = signal === undefined ? stalled : AbortSignal.any([signal, stalled]);
      return ask(guardedFetch(connection, either));
    });
  } catch (error) {
    throw explain(error, { endpoint, repo: name, revision, hasToken: token !== undefined });
  }
}

function malformed({ endpoint }: Connection, what: string) {
  return hubError(`${endpoint} ${what}: it does not speak as a hub does`, {
    code: 'hub.malformed',
    suggestions: ['Is HF_ENDPOINT a hub?'],
  });
}
