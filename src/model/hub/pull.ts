/**
 * A model from a Hugging Face hub into the library. Files are kept under `<data home>/downloads/ORG--NAME/COMMIT/` until the
 * model is imported: a pull that was broken off goes on where it stopped.
 */
import { mkdir, readdir, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { formatBytes } from '../../base/units.ts';
import { type ImportOptions, readModelConfig } from '../import.ts';
import { freePlace, importModel, type LibraryPlace } from '../library.ts';
import { isGgufName } from '../source.ts';
import { readTokenizer } from '../tokenizer-files.ts';
import type { ModelPack } from '../types.ts';
import { type Connection, connectionOf } from './connection.ts';
import { download } from './download.ts';
import { hubError } from './errors.ts';
import { downloadsFolder } from './leftovers.ts';
import { withLock } from './lock.ts';
import { checkRepoName, listFolder, openRepository, type RemoteFile, type Repository } from './repository.ts';
import { PATIENCE, type Patience } from './retry.ts';
import { sideFilesOf, weightFilesOf } from './selection.ts';

export interface PullOptions extends ImportOptions, LibraryPlace {
  /** Branch, tag or commit; 'main' when absent. */
  revision?: string | undefined;
  /** A GGUF file of the repository, instead of its safetensors. */
  file?: string | undefined;
  /** Name in the library; that of the repository or GGUF file when absent. */
  name?: string | undefined;
  connection?: Connection;
  patience?: Partial<Patience>;
}

export interface PulledModel {
  pack: ModelPack;
  repo: string;
  /** 40 hexadecimal digits. */
  commit: string;
  /** Of all files that were needed, whenever they came. */
  bytes: number;
}

/** @throws MftError hub.*, and what importing throws: what can be known before the weights are here is found before. */
export async function pullModel(repo: string, options: PullOptions = {}): Promise<PulledModel> {
  const { file, revision = 'main' } = options;
  if (file !== undefined) checkGgufPath(file);
  checkRepoName(repo);
  const name = options.name ?? basename(file ?? repo).replace(/\.gguf$/i, '');
  await freePlace(name, options);
  const patience = { ...PATIENCE, ...options.patience, signal: options.signal };
  const repository = await openRepository(options.connection ?? connectionOf(), repo, revision, patience);
  const folder = join(downloadsFolder(options), repo.replace('/', '--'));
  await mkdir(folder, { recursive: true });
  const pulled = await withLock(folder, async () => {
    const dir = join(folder, repository.commit);
    await keepOnly(folder, repository.commit);
    await mkdir(dir, { recursive: true });
    const fetcher = new Fetcher(repository, dir, options, patience);
    const path = file === undefined ? await fetchFolder(fetcher, options) : await fetchGguf(fetcher, file);
    const origin = `${repo}@${repository.commit}${file === undefined ? '' : `:${file}`}`;
    const pack = await importModel(path, name, { ...options, origin });
    await rm(dir, { recursive: true, force: true });
    return { pack, repo, commit: repository.commit, bytes: fetcher.bytes };
  });
  await rmdir(folder).catch(() => {}); // unless another process begins there
  return pulled;
}

/** Files in the order they are needed, with one count of bytes over all. */
class Fetcher {
  readonly repository: Repository;
  readonly dir: string;
  readonly patience: Patience;
  private readonly options: PullOptions;
  bytes = 0;

  constructor(repository: Repository, dir: string, options: PullOptions, patience: Patience) {
    this.repository = repository;
    this.dir = dir;
    this.options = options;
    this.patience = patience;
  }

  async fetch(files: readonly RemoteFile[]): Promise<void> {
    const { signal, onProgress } = this.options;
    await this.checkSpace(files);
    const total = files.reduce((sum, { bytes }) => sum + bytes, this.bytes);
    for (const file of files) {
      const before = this.bytes;
      await download(this.repository, file, join(this.dir, basename(file.path)), {
        patience: this.patience,
        ...(signal === undefined ? {} : { signal }),
        onBytes: (have) => onProgress?.({ phase: 'downloading', done: before + have, total, unit: 'bytes' }),
      });
      this.bytes += file.bytes;
    }
  }

  private async checkSpace(files: readonly RemoteFile[]): Promise<void> {
    let missing = 0;
    for (const { path, bytes, hash } of files) {
      const target = join(this.dir, basename(path));
      const here = [target, `${target}.${hash.digest.slice(0, 16)}.partial`].map((at) =>
        stat(at).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      missing += Math.max(0, bytes - Math.max(...(await Promise.all(here))));
    }
    const { bavail, bsize } = await statfs(this.dir);
    if (missing <= bavail * bsize) return;
    throw hubError(
      `${this.repository.name} needs ${formatBytes(missing)} more, ${this.dir} has room for ${formatBytes(bavail * bsize)}`,
      {
        code: 'hub.no-space',
        suggestions: ['Free some space, or name another data folder: MFT_HOME=DIR'],
      },
    );
  }
}

/** @returns the folder, as a Hugging Face folder */
async function fetchFolder(fetcher: Fetcher, options: PullOptions): Promise<string> {
  const { repository, dir, patience } = fetcher;
  const files = await listFolder(repository, '', patience);
  await fetcher.fetch(sideFilesOf(files, repository));
  const config = await readModelConfig(dir);
  if (options.tokenizer !== 'none') await readTokenizer(options.tokenizer ?? dir, config);
  await fetcher.fetch(await weightFilesOf(files, repository, dir));
  return dir;
}

/** @returns the path of the file */
async function fetchGguf(fetcher: Fetcher, path: string): Promise<string> {
  const { repository, dir, patience } = fetcher;
  const folder = dirname(path) === '.' ? '' : dirname(path);
  const files = await listFolder(repository, folder, patience);
  const file = files.get(path);
  if (file === undefined) {
    const ggufs = [...files.keys()].filter(isGgufName).sort().slice(0, 20);
    throw hubError(`${repository.name} has no ${path} at ${repository.revision}`, {
      code: 'hub.no-file',
      suggestions: [ggufs.length === 0 ? 'It has no GGUF file there.' : `It has ${ggufs.join(', ')}`],
    });
  }
  await fetcher.fetch([file]);
  return join(dir, basename(path));
}

function checkGgufPath(path: string): void {
  const isPlain = path.split('/').every((part) => /^[\w][\w .+-]*$/.test(part));
  if (isPlain && isGgufName(path)) return;
  throw hubError(`--file ${path.slice(0, 200)} is no GGUF file of a repository`, {
    code: 'hub.bad-file',
    suggestions: ['It is a path like model-Q8_0.gguf. Without --file the safetensors are taken.'],
  });
}

/** What was left of another commit is of no use any more. */
async function keepOnly(folder: string, commit: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory() && entry.name !== commit)
      await rm(join(folder, entry.name), { recursive: true, force: true });
}
