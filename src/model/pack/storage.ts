/** How tensors are stored in packs: types, sizes in bytes, and which tensors may be narrower than f32. */
import { mft } from '../../protocol/index.ts';
import { blockRowBytes } from '../tensors/blocks.ts';
import { FLOAT_BYTES } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { StorageSummary, StorageType, Tensor, WeightType } from '../types.ts';

const { DType } = mft.v1;

export const STORAGE_TYPES: readonly StorageType[] = ['f32', 'bf16', 'f16', 'int8', 'int4'];

const DTYPES: Record<StorageType, mft.v1.DType> = {
  f32: DType.DTYPE_F32,
  bf16: DType.DTYPE_BF16,
  f16: DType.DTYPE_F16,
  int8: DType.DTYPE_I8_BLOCK32,
  int4: DType.DTYPE_I4_BLOCK32,
};

export function dtypeOf(type: StorageType): mft.v1.DType {
  return DTYPES[type];
}

/** undefined for a type that weights are not stored in. */
export function storageTypeOf(dtype: mft.v1.DType): StorageType | undefined {
  return STORAGE_TYPES.find((type) => DTYPES[type] === dtype);
}

/** Bytes of a tensor; undefined when the type can not store this shape. */
export function storedBytes(type: StorageType, shape: readonly number[]): number | undefined {
  if (type !== 'int8' && type !== 'int4') return elementsOf(shape) * FLOAT_BYTES[type];
  const [rows = 0, columns = 0] = shape;
  return shape.length === 2 ? rows * blockRowBytes(type, columns) : undefined;
}

/** Whether a canonical tensor is a matrix that is multiplied with or looked up in; all others are f32 in every pack. */
export function isStoredMatrix(tensor: string): boolean {
  return /^(embed\.tokens|lm_head\.weight|blocks\.\d+\.(attn\.(qkv|out)|mlp\.(up|down))\.weight)$/.test(
    tensor,
  );
}

/**
 * The type of a tensor in a pack of `weights`. `auto` is the type of the source. With int4 the embedding and the head are
 * int8: they are looked up and sampled from, and lose most by 4 bits.
 */
export function chosenType(tensor: string, weights: WeightType, source: StorageType): StorageType {
  if (!isStoredMatrix(tensor)) return 'f32';
  if (weights === 'auto') return source;
  return weights === 'int4' && !tensor.startsWith('blocks.') ? 'int8' : weights;
}

/** What the tensors of some segments take, by type, largest first. */
export function summarizeStorage(segments: readonly { tensors: readonly Tensor[] }[]): StorageSummary[] {
  const byType = new Map<StorageType, StorageSummary>();
  for (const { tensors } of segments)
    for (const { dtype, shape, bytes } of tensors) {
      const type = storageTypeOf(dtype);
      if (type === undefined) continue;
      const sum = byType.get(type) ?? { type, tensors: 0, parameters: 0, bytes: 0 };
      sum.tensors += 1;
      sum.parameters += elementsOf(shape);
      sum.bytes += bytes;
      byType.set(type, sum);
    }
  return [...byType.values()].sort((a, b) => b.bytes - a.bytes);
}
