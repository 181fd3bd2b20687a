/**
 * The layout of tokenizer.bin (docs/tokenizer-format.md; read by device-runtime/text/tokenizer_tables.h). Little-endian.
 */

export const MAGIC = 'MFTTOKEN';
export const VERSION = 2;
export const HEADER_BYTES = 160;
export const NONE = 0xffffffff;
export const MERGE_SLOT_BYTES = 8;
export const ADDED_BYTES = 8;

/** Numbers of the pre-tokenizers; never given to another. */
export const PreTokenizer = { gpt2: 1, qwen2: 2, llama3: 3, digits: 4, whole: 5 } as const;
export type PreTokenizerName = keyof typeof PreTokenizer;

/** Numbers of the normalizers: Unicode's form C; U+2581 for every space. */
export const Normalizer = { none: 0, nfc: 1, spaceMark: 2 } as const;
export type NormalizerName = keyof typeof Normalizer;
export const SPACE_MARK = '\u2581';

export const Flag = { ignoreMerges: 1, stripsFrontSpace: 2 } as const;
export const AddedFlag = { special: 1, normalized: 2, lstrip: 4, rstrip: 8, singleWord: 16 } as const;

/** The pages of the characters' table: code points a page, pages in all, and the number of one that is not there. */
export const PAGE_CHARACTERS = 256;
export const PAGES = 0x110000 / PAGE_CHARACTERS;
export const NO_PAGE = 0xffff;

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
  prefixCount: 64,
  suffixCount: 68,
  pageCount: 72,
  tokenOffsets: 80,
  tokenBytes: 88,
  tokenBytesSize: 96,
  byteIds: 104,
  merges: 112,
  mergeIds: 120,
  characters: 128,
  added: 136,
  template: 144,
  sortedIds: 152,
} as const;

/** A merge as the tables have it. */
export interface Merge {
  left: number;
  right: number;
  rank: number;
  id: number;
}

/** Home of a pair among `slots`: floor(mergeHash * slots / 2^32), without leaving the safe integers. */
export function homeSlot(left: number, right: number, slots: number): number {
  const hash = mergeHash(left, right);
  const low = Math.floor(((hash & 0xffff) * slots) / 0x10000);
  return Math.floor(((hash >>> 16) * slots + low) / 0x10000);
}

function mergeHash(left: number, right: number): number {
  let h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 13;
  return h >>> 0;
}

export interface AddedToken {
  id: number;
  special: boolean;
  normalized: boolean;
  lstrip: boolean;
  rstrip: boolean;
  singleWord: boolean;
}

/** Everything tokenizer.bin says. */
export interface TokenizerTables {
  preTokenizer: PreTokenizerName;
  normalizer: NormalizerName;
  ignoreMerges: boolean;
  stripsFrontSpace: boolean;
  /** Bytes by id; undefined where an id has no token. */
  tokens: (Uint8Array | undefined)[];
  /** Id by byte value. */
  byteIds: (number | undefined)[];
  merges: Merge[];
  /** Id by code point, where words begin as characters. */
  characters: Map<number, number> | undefined;
  added: AddedToken[];
  /** Ids before and behind a whole text. */
  prefix: number[];
  suffix: number[];
  bos: number | undefined;
  eos: number | undefined;
}
