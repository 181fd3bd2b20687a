/** The words of the command line in those of the protocol. */
import { mft } from '../protocol/index.ts';

export const DTYPES = {
  f32: mft.v1.DType.DTYPE_F32,
  bf16: mft.v1.DType.DTYPE_BF16,
  f16: mft.v1.DType.DTYPE_F16,
  int8: mft.v1.DType.DTYPE_I8_BLOCK32,
  int4: mft.v1.DType.DTYPE_I4_BLOCK32,
};
export type StorageName = keyof typeof DTYPES;
export const STORAGE_NAMES = Object.keys(DTYPES) as StorageName[];

export const VARIANTS: Record<mft.v1.GemmVariant, 'NT' | 'NN' | 'TN'> = {
  [mft.v1.GemmVariant.GEMM_NT]: 'NT',
  [mft.v1.GemmVariant.GEMM_NN]: 'NN',
  [mft.v1.GemmVariant.GEMM_TN]: 'TN',
};
