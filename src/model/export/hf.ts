/** A Hugging Face folder out of canonical tensors: config.json, model.safetensors or its shards, the tokenizer's files. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operation } from '../../base/progress.ts';
import { familyOf } from '../families/index.ts';
import type { HfTensor } from '../families/types.ts';
import { fullName, hfTensors } from '../import.ts';
import { type JsonObject, parseJsonObject, readBounded } from '../json.ts';
import { writeSynced } from '../pack/write.ts';
import { writeShards } from '../safetensors/shards.ts';
import type { F32 } from '../tensors/float.ts';
import { elementsOf, readPieces, readTransposed } from '../tensors/stream.ts';
import { SIDE_FILES } from '../tokenizer-files.ts';
import type { FloatType, ModelPack, TensorReader } from '../types.ts';

const MAX_SIDE_FILE_BYTES = 256 << 20;
const TORCH_NAMES: Record<FloatType, string> = { f32: 'float32', bf16: 'bfloat16', f16: 'float16' };

/** Fills the existing folder `dir`. @returns number of tensors */
export async function writeHuggingFace(
  dir: string,
  pack: ModelPack,
  weights: TensorReader,
  type: FloatType,
  { maxShardBytes, ...operation }: Operation & { maxShardBytes?: number | undefined } = {},
): Promise<number> {
  const family = familyOf(pack.config.family, pack.dir);
  const items = hfTensors(family, pack.config);
  const byName = new Map(items.map((item) => [fullName(item.hf, family.prefix), item]));
  const plans = [...byName].map(([name, item]) => ({ name, shape: item.hfShape, type }));
  const total = plans.reduce((sum, plan) => sum + elementsOf(plan.shape), 0);
  let done = 0;
  const pieces = async function* ({ name }: { name: string }) {
    const item = byName.get(name);
    if (item === undefined) return;
    for await (const piece of hfPieces(weights, item)) {
      operation.signal?.throwIfAborted();
      yield piece;
      done += piece.length;
      operation.onProgress?.({ phase: 'exporting', done: done * 4, total: total * 4, unit: 'bytes' });
    }
  };
  await writeShards(dir, plans, pieces, maxShardBytes);
  for (const name of SIDE_FILES) {
    if (name === 'config.json') continue;
    const path = join(pack.dir, name);
    if ((await stat(path).catch(() => undefined))?.isFile())
      await writeSynced(join(dir, name), await readBounded(path, MAX_SIDE_FILE_BYTES));
  }
  const config = await configFor(pack, type);
  await writeSynced(join(dir, 'config.json'), Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
  return plans.length;
}

/** The pack's config.json, the original where there was one, with the type that is written now. */
async function configFor(pack: ModelPack, type: FloatType): Promise<JsonObject> {
  const path = join(pack.dir, 'config.json');
  const config = parseJsonObject((await readBounded(path, MAX_SIDE_FILE_BYTES)).toString('utf8'), path);
  // transformers 5 calls it dtype, 4 torch_dtype; 5 still reads the old name.
  config[Object.hasOwn(config, 'dtype') ? 'dtype' : 'torch_dtype'] = TORCH_NAMES[type];
  return config;
}

async function* hfPieces(weights: TensorReader, item: HfTensor): AsyncGenerator<F32> {
  const [rows = 0] = weights.shapes.get(item.tensor) ?? [];
  const columns = elementsOf(item.hfShape) / (item.rowEnd - item.rowBegin);
  if (item.transposed) yield* readTransposed(weights, item.tensor, rows, columns);
  else yield* readPieces(weights, item.tensor, item.rowBegin * columns, item.rowEnd * columns);
}
