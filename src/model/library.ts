/** The models mft keeps: one pack folder each under `<data home>/models/<name>/`. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { dataHome } from '../base/paths.ts';
import type { Operation } from '../base/progress.ts';
import { type CreateOptions, createRandom } from './create.ts';
import { type ImportOptions, importSource, isModelSource, readModelConfig } from './import.ts';
import { openPack } from './pack/read.ts';
import { hashFile } from './pack/segment-file.ts';
import { chosenType, storageTypeOf } from './pack/storage.ts';
import { CACHE_PREFIX, MANIFEST_FILE } from './pack/write.ts';
import { isGgufName } from './source.ts';
import { exists } from './staging.ts';
import { SIDE_FILES } from './tokenizer-files.ts';
import type { ModelConfig, ModelPack, ModelSummary, WeightType } from './types.ts';

export interface OpenOptions extends Operation, LibraryPlace {
  /**
   * How the matrices are to be stored; 'auto' when absent. A Hugging Face folder is imported so; a pack has its type, and
   * another one is refused.
   */
  dtype?: WeightType | undefined;
}

/** Where the library is; tests have their own. */
export interface LibraryPlace {
  home?: string | undefined;
}

export function modelsFolder({ home = dataHome() }: LibraryPlace = {}): string {
  return join(home, 'models');
}

/** @throws MftError model.bad-name. */
export function checkModelName(name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(name)) return name;
  throw new MftError(`"${name.slice(0, 120)}" is no name for a model`, {
    code: 'model.bad-name',
    exit: ExitCode.usage,
    suggestions: ['Use letters, digits, dots, hyphens and underscores, beginning with a letter or digit.'],
  });
}

/** Imports a Hugging Face folder or GGUF file under a name. @throws MftError model.exists when it is taken, and importSource's. */
export async function importModel(
  dir: string,
  name: string,
  options: ImportOptions & LibraryPlace = {},
): Promise<ModelPack> {
  const target = await freePlace(name, options);
  await importSource(resolve(dir), target, options);
  return openPack(target, name);
}

/** Creates a model with random weights under a name. */
export async function createModel(name: string, options: CreateOptions & LibraryPlace): Promise<ModelPack> {
  const target = await freePlace(name, options);
  await createRandom(target, options);
  return openPack(target, name);
}

/** Where a new model of this name will be. @throws MftError model.exists, model.bad-name. */
export async function freePlace(name: string, place: LibraryPlace): Promise<string> {
  const target = join(modelsFolder(place), checkModelName(name));
  if (!(await exists(target))) return target;
  throw new MftError(`there is a model "${name}" already`, {
    code: 'model.exists',
    exit: ExitCode.usage,
    suggestions: ['Choose another name with --name.', `mft model rm ${name}`],
  });
}

/**
 * A model by its name in the library, by the path of a pack folder (used where it is), or by the path of a Hugging Face
 * folder or GGUF file (imported under a name derived from its content, and found there the next time).
 * @throws MftError model.unknown with the nearest known name, model.stored-otherwise, and what opening and importing
 * throw.
 */
export async function openModel(reference: string, options: OpenOptions = {}): Promise<ModelPack> {
  const { dir, name, isPack } = await locate(reference, options);
  if (!isPack) return await openFolder(dir, options);
  const pack = await openPack(dir, name);
  checkStored(pack, options.dtype ?? 'auto');
  return pack;
}

/** @throws MftError model.stored-otherwise when a pack is not what was asked for. */
function checkStored(pack: ModelPack, dtype: WeightType): void {
  for (const { tensors } of pack.manifest.segments)
    for (const tensor of tensors) {
      const stored = storageTypeOf(tensor.dtype) ?? 'f32';
      const wanted = chosenType(tensor.name, dtype, stored);
      if (wanted === stored) continue;
      throw new MftError(
        `${pack.name} is a pack whose ${tensor.name} is ${stored}; --dtype ${dtype} asks for ${wanted}`,
        {
          code: 'model.stored-otherwise',
          exit: ExitCode.usage,
          suggestions: [
            `Import its folder again: mft model import DIR --name NAME --dtype ${dtype}`,
            'Leave --dtype away to use the pack as it is.',
          ],
        },
      );
    }
}

/** What is known of a model without importing it: of a Hugging Face folder the configuration. @throws as openModel. */
export async function inspectModel(
  reference: string,
  options: OpenOptions = {},
): Promise<{ config: ModelConfig; pack?: ModelPack }> {
  const { dir, isPack } = await locate(reference, options);
  if (!isPack) return { config: await readModelConfig(dir) };
  const pack = await openModel(reference, options);
  return { config: pack.config, pack };
}

/** Where a model is: a pack (by its name in the library, or a folder), or a Hugging Face folder. */
async function locate(
  reference: string,
  place: LibraryPlace,
): Promise<{ dir: string; name?: string; isPack: boolean }> {
  const isPath = /[\\/]/.test(reference) || reference === '.' || reference === '..';
  if (!isPath) {
    const dir = join(modelsFolder(place), reference);
    if (isModelName(reference) && (await exists(dir))) return { dir, name: reference, isPack: true };
  }
  const dir = resolve(reference);
  if (await exists(join(dir, MANIFEST_FILE))) return { dir, isPack: true };
  if (await isModelSource(dir)) return { dir, isPack: false };
  throw await unknownModel(reference, isPath && (await exists(dir)), place);
}

function isModelName(name: string): boolean {
  try {
    return checkModelName(name) === name;
  } catch {
    return false;
  }
}

async function openFolder(dir: string, options: OpenOptions): Promise<ModelPack> {
  const name = `${CACHE_PREFIX}${(await contentHash(dir, options)).slice(0, 24)}`;
  const target = join(modelsFolder(options), name);
  if (!(await exists(target))) {
    try {
      await importSource(await realpath(dir), target, options);
    } catch (error) {
      // Another process may have imported the same folder meanwhile.
      if (!(error instanceof MftError && error.code === 'file.exists')) throw error;
    }
  }
  return openPack(target, name);
}

/** Hash of the bytes that an import reads, whatever the folder is called, and of how they are to be stored. */
async function contentHash(dir: string, operation: OpenOptions): Promise<string> {
  const hash = createHash('sha256').update(`mft import 2 ${operation.dtype ?? 'auto'}\n`);
  if (isGgufName(dir)) return hash.update(await hashFile(dir, operation.signal)).digest('hex');
  const names = (await readdir(dir)).filter(
    (name) => SIDE_FILES.includes(name) || /\.safetensors(\.index\.json)?$/.test(name),
  );
  for (const name of names.sort()) {
    const path = join(dir, name);
    if ((await stat(path)).isFile()) hash.update(`${name}\0${await hashFile(path, operation.signal)}\n`);
  }
  return hash.digest('hex');
}

async function unknownModel(reference: string, isThere: boolean, place: LibraryPlace): Promise<MftError> {
  const names = (await listModels(place)).filter((model) => !model.cached).map((model) => model.name);
  const meant = nearest(reference, names);
  const isPath = /[\\/]/.test(reference);
  return new MftError(
    isThere
      ? `${reference} is no model pack (pack.pb), Hugging Face folder (config.json) or GGUF file`
      : isPath
        ? `there is no folder ${reference}`
        : `there is no model "${reference}", neither in the library nor as a folder`,
    {
      code: 'model.unknown',
      exit: ExitCode.usage,
      suggestions: [
        ...(meant === undefined ? [] : [`Did you mean ${meant}?`]),
        ...(names.length === 0 ? [] : [`Models: ${names.join(', ')}.`]),
        'mft model import PATH takes a Hugging Face folder or a GGUF file, mft model pull ORG/NAME downloads one.',
      ],
    },
  );
}

/** All models of the library by name. A damaged one is listed with what is wrong. */
export async function listModels(place: LibraryPlace = {}): Promise<ModelSummary[]> {
  const folder = modelsFolder(place);
  await mkdir(folder, { recursive: true });
  const names = (await readdir(folder)).filter(isModelName).sort();
  return Promise.all(names.map((name) => summarize(folder, name)));
}

async function summarize(folder: string, name: string): Promise<ModelSummary> {
  const dir = join(folder, name);
  const common = { name, dir, cached: name.startsWith(CACHE_PREFIX), bytes: await folderBytes(dir) };
  try {
    const { manifest, config, parameters, hasTokenizer } = await openPack(dir, name);
    const { source, createdBy } = manifest;
    return { ...common, family: config.family, parameters, hasTokenizer, source, createdBy };
  } catch (error) {
    if (!(error instanceof MftError)) throw error;
    const empty = { family: '', parameters: 0, hasTokenizer: false, source: '', createdBy: '' };
    return { ...common, ...empty, problem: error.message };
  }
}

async function folderBytes(dir: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => []))
    if (entry.isFile()) sum += (await stat(join(dir, entry.name)).catch(() => undefined))?.size ?? 0;
  return sum;
}

/** Removes a model from the library; it disappears at once, its files are freed after. @returns bytes freed */
export async function removeModel(name: string, place: LibraryPlace = {}): Promise<number> {
  const folder = modelsFolder(place);
  const dir = join(folder, checkModelName(name));
  if (!(await exists(dir))) throw await unknownModel(name, false, place);
  const bytes = await folderBytes(dir);
  const doomed = join(folder, `.mft-partial-removed-${process.pid}-${Date.now()}`);
  await rename(dir, doomed);
  await rm(doomed, { recursive: true, force: true });
  return bytes;
}
