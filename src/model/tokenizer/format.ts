/**
 * The layout of tokenizer.bin (docs/tokenizer-format.md; read by device-runtime/text/tokenizer_tables.h). Little-endian.
 */

export const MAGIC = 'MFTTOKEN';
export const VERSION = 1;
export const HEADER_BYTES = 128;
export const NONE = 0xffffffff;
export const MERGE_SLOT_BYTES = 16;
export const ADDED_BYTES = 8;

/** Numbers of the pre-tokenizers; never given to another. */
export const PreTokenizer = { gpt2: 1, qwen2: 2, llama3: 3, digits: 4 } as const;
export type PreTokenizerName = keyof typeof PreTokenizer;

export const Flag = { ignoreMerges: 1 } as const;
export const AddedFlag = { special: 1, normalized: 2 } as const;

/** Byte offsets of the header's fields. */
export const Field = {
  version: 8,
  headerBytes: 12,
  fileBytes: 16,
  preTokenizer: 24,
  normalizer: 28,
  flags: 32,
  tokenCount: 36,
  mergeCount: 40,
  mergeSlots: 44,
  addedCount: 48,
  bos: 52,
  eos: 56,
  maxProbe: 60,
  tokenOffsets: 64,
  tokenBytes: 72,
  tokenBytesSize: 80,
  byteIds: 88,
  merges: 96,
  added: 104,
  sortedIds: 112,
} as const;

/** A merge as the tables have it. */
export interface Merge {
  left: number;
  right: number;
  rank: number;
  id: number;
}

/** Home slot of a pair, before masking. */
export function mergeHash(left: number, right: number): number {
  let h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 13;
  return h >>> 0;
}

/** Everything tokenizer.bin says. */
export interface TokenizerTables {
  preTokenizer: PreTokenizerName;
  ignoreMerges: boolean;
  /** Bytes by id; undefined where an id has no token. */
  tokens: (Uint8Array | undefined)[];
  /** Id by byte value. */
  byteIds: (number | undefined)[];
  merges: Merge[];
  added: { id: number; special: boolean; normalized: boolean }[];
  bos: number | undefined;
  eos: number | undefined;
}
