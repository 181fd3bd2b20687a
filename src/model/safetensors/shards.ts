/**
 * Tensors over several files with an index, cut as transformers cuts them (huggingface_hub,
 * split_torch_state_dict_into_shards): in their order, a file as full as it may be, a tensor never cut.
 */
import { join } from 'node:path';
import { writeSynced } from '../pack/write.ts';
import { FLOAT_BYTES } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import { type Pieces, type TensorPlan, writeSafetensors } from './writer.ts';

/** The largest file unless another size is asked for: transformers' of old. */
export const SHARD_BYTES = 5e9;

const WHOLE = 'model.safetensors';

const bytesOf = ({ shape, type }: TensorPlan) => elementsOf(shape) * FLOAT_BYTES[type];

/** Writes model.safetensors, or model-00001-of-0000N.safetensors and their index, into `dir`. */
export async function writeShards(
  dir: string,
  plans: readonly TensorPlan[],
  pieces: (plan: TensorPlan) => Pieces,
  limit: number = SHARD_BYTES,
): Promise<void> {
  const shards = cut(plans, limit);
  const digits = (number: number) => String(number).padStart(5, '0');
  const nameOf = (i: number) =>
    shards.length === 1 ? WHOLE : `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(dir, nameOf(i)), shard, pieces);
  if (shards.length === 1) return;
  const index = {
    metadata: {
      total_parameters: plans.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
      total_size: plans.reduce((sum, plan) => sum + bytesOf(plan), 0),
    },
    weight_map: Object.fromEntries(shards.flatMap((shard, i) => shard.map(({ name }) => [name, nameOf(i)]))),
  };
  await writeSynced(join(dir, `${WHOLE}.index.json`), Buffer.from(`${JSON.stringify(index, null, 2)}\n`));
}

function cut(plans: readonly TensorPlan[], limit: number): TensorPlan[][] {
  const shards: TensorPlan[][] = [[]];
  let filled = 0;
  for (const plan of plans) {
    const bytes = bytesOf(plan);
    if (filled > 0 && filled + bytes > limit) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)?.push(plan);
    filled += bytes;
  }
  return shards;
}
