/** Which files of a repository mft needs, and whether they are enough for a model. */
import { join } from 'node:path';
import { isObject, readJsonObject } from '../json.ts';
import { SIDE_FILES } from '../tokenizer-files.ts';
import { hubError } from './errors.ts';
import type { RemoteFile, Repository } from './repository.ts';

const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** As the readers of these files have it. */
const MAX_SIDE_BYTES = 256 << 20;
const MAX_SHARDS = 1000;

/** Configuration, tokenizer and the index of the weights: what comes before gigabytes do. @throws MftError hub.*. */
export function sideFilesOf(
  files: ReadonlyMap<string, RemoteFile>,
  { name }: Pick<Repository, 'name'>,
): RemoteFile[] {
  const ggufs = [...files.keys()].filter((path) => /\.gguf$/i.test(path)).sort();
  if (!files.has('config.json') || !(files.has(WEIGHTS) || files.has(INDEX))) {
    const missing = files.has('config.json') ? WEIGHTS : 'config.json';
    throw hubError(`${name} has no ${missing}`, {
      code: 'hub.no-weights',
      suggestions:
        ggufs.length === 0
          ? ['mft reads safetensors and GGUF: look for another repository of the model.']
          : [`It has GGUF files; name one: --file ${ggufs.slice(0, 8).join(', --file ')}`],
    });
  }
  const names = files.has(WEIGHTS) ? SIDE_FILES : [...SIDE_FILES, INDEX];
  const chosen = names.map((path) => files.get(path)).filter((file) => file !== undefined);
  const large = chosen.find(({ bytes }) => bytes > MAX_SIDE_BYTES);
  if (large !== undefined)
    throw hubError(`${large.path} of ${name} has ${large.bytes} bytes, more than ${MAX_SIDE_BYTES}`, {
      code: 'hub.malformed',
      suggestions: ['Look for another repository of the model.'],
    });
  return chosen;
}

/** The weights, one file or those that the index (here already, in `dir`) names. @throws MftError hub.no-file. */
export async function weightFilesOf(
  files: ReadonlyMap<string, RemoteFile>,
  { name }: Pick<Repository, 'name'>,
  dir: string,
): Promise<RemoteFile[]> {
  const single = files.get(WEIGHTS);
  if (single !== undefined) return [single];
  const map = (await readJsonObject(join(dir, INDEX), MAX_SIDE_BYTES)).weight_map;
  const shards = new Set(isObject(map) ? Object.values(map).map(String) : []);
  if (shards.size === 0 || shards.size > MAX_SHARDS)
    throw hubError(`${INDEX} of ${name} names ${shards.size} files`, {
      code: 'hub.malformed',
      suggestions: ['Look for another repository of the model.'],
    });
  return [...shards].sort().map((shard) => {
    const file = /^\w[\w.-]*\.safetensors$/.test(shard) ? files.get(shard) : undefined;
    if (file !== undefined) return file;
    throw hubError(`${INDEX} of ${name} names ${JSON.stringify(shard.slice(0, 100))}, which is not there`, {
      code: 'hub.no-file',
      suggestions: ['Name a revision that is complete: --revision COMMIT'],
    });
  });
}
