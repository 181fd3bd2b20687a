/** Tables to the bytes of tokenizer.bin. */
import { unsupported } from './errors.ts';
import {
  ADDED_BYTES,
  AddedFlag,
  type AddedToken,
  Field,
  Flag,
  HEADER_BYTES,
  homeSlot,
  MAGIC,
  MERGE_SLOT_BYTES,
  type Merge,
  NO_PAGE,
  NONE,
  Normalizer,
  PAGE_CHARACTERS,
  PAGES,
  PreTokenizer,
  type TokenizerTables,
  VERSION,
} from './format.ts';

export function writeTables(tables: TokenizerTables): Uint8Array<ArrayBuffer> {
  const { tokens, merges } = tables;
  const blobBytes = tokens.reduce((sum, token) => sum + (token?.length ?? 0), 0);
  const { slots, maxProbe } = placeMerges(merges);
  const pack = slotPacker(tokens.length, merges.length);
  const pages = tables.characters === undefined ? undefined : pagesOf(tables.characters);
  const added = tables.added.toSorted((a, b) => compareBytes(tokens[a.id], tokens[b.id]));
  const template = [...tables.prefix, ...tables.suffix];
  const sortedIds = tables.ignoreMerges ? sortedModelIds(tables) : [];

  let end = HEADER_BYTES;
  const section = (bytes: number) => {
    const at = (end + 7) & ~7;
    end = at + bytes;
    return at;
  };
  const at = {
    tokenOffsets: section(4 * (tokens.length + 1)),
    tokenBytes: section(blobBytes),
    byteIds: section(4 * 256),
    merges: section(MERGE_SLOT_BYTES * slots.length),
    mergeIds: section(4 * merges.length),
    characters: pages === undefined ? 0 : section(2 * PAGES + 4 * PAGE_CHARACTERS * pages.pages.length),
    added: section(ADDED_BYTES * added.length),
    template: section(4 * template.length),
    sortedIds: tables.ignoreMerges ? section(4 * sortedIds.length) : 0,
  };

  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  const u32 = (offset: number, value: number) => view.setUint32(offset, value, true);
  const u64 = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  file.set(new TextEncoder().encode(MAGIC), 0);
  u32(Field.version, VERSION);
  u32(Field.headerBytes, HEADER_BYTES);
  u64(Field.fileBytes, end);
  u32(Field.preTokenizer, PreTokenizer[tables.preTokenizer]);
  u32(Field.normalizer, Normalizer[tables.normalizer]);
  u32(
    Field.flags,
    (tables.ignoreMerges ? Flag.ignoreMerges : 0) | (tables.stripsFrontSpace ? Flag.stripsFrontSpace : 0),
  );
  u32(Field.tokenCount, tokens.length);
  u32(Field.mergeCount, merges.length);
  u32(Field.mergeSlots, slots.length);
  u32(Field.addedCount, added.length);
  u32(Field.bos, tables.bos ?? NONE);
  u32(Field.eos, tables.eos ?? NONE);
  u32(Field.maxProbe, maxProbe);
  u32(Field.prefixCount, tables.prefix.length);
  u32(Field.suffixCount, tables.suffix.length);
  u32(Field.pageCount, pages?.pages.length ?? 0);
  u64(Field.tokenBytesSize, blobBytes);
  for (const [name, offset] of Object.entries(at)) u64(Field[name as keyof typeof at], offset);

  let blob = 0;
  for (let id = 0; id < tokens.length; id += 1) {
    u32(at.tokenOffsets + 4 * id, blob);
    const token = tokens[id];
    if (token === undefined) continue;
    file.set(token, at.tokenBytes + blob);
    blob += token.length;
  }
  u32(at.tokenOffsets + 4 * tokens.length, blob);
  for (let byte = 0; byte < 256; byte += 1) u32(at.byteIds + 4 * byte, tables.byteIds[byte] ?? NONE);
  for (const [slot, merge] of slots.entries()) {
    if (merge !== undefined) view.setBigUint64(at.merges + MERGE_SLOT_BYTES * slot, pack(merge), true);
  }
  for (const merge of merges) u32(at.mergeIds + 4 * merge.rank, merge.id);
  if (pages !== undefined) {
    for (const [block, page] of pages.pageOf.entries()) view.setUint16(at.characters + 2 * block, page, true);
    const first = at.characters + 2 * PAGES;
    for (const [page, ids] of pages.pages.entries()) {
      for (const [i, id] of ids.entries()) u32(first + 4 * (PAGE_CHARACTERS * page + i), id);
    }
  }
  for (const [index, token] of added.entries()) {
    u32(at.added + ADDED_BYTES * index, token.id);
    u32(at.added + ADDED_BYTES * index + 4, flagsOf(token));
  }
  for (const [index, id] of template.entries()) u32(at.template + 4 * index, id);
  for (const [index, id] of sortedIds.entries()) u32(at.sortedIds + 4 * index, id);
  return file;
}

function flagsOf(token: AddedToken): number {
  return (
    (token.special ? AddedFlag.special : 0) |
    (token.normalized ? AddedFlag.normalized : 0) |
    (token.lstrip ? AddedFlag.lstrip : 0) |
    (token.rstrip ? AddedFlag.rstrip : 0) |
    (token.singleWord ? AddedFlag.singleWord : 0)
  );
}

const bitWidth = (value: number): number => Math.max(1, 32 - Math.clz32(value));

/** A merge as its slot has it: left, right, rank + 1, in just as many bits as ids and ranks need. */
function slotPacker(tokens: number, merges: number): (merge: Merge) => bigint {
  const idBits = BigInt(bitWidth(tokens - 1));
  const rankBits = BigInt(bitWidth(merges));
  if (2n * idBits + rankBits > 64n) {
    throw unsupported(`${merges} merges of ${tokens} tokens: more than a slot of 64 bits can hold`);
  }
  return ({ left, right, rank }) =>
    (((BigInt(left) << idBits) | BigInt(right)) << rankBits) | BigInt(rank + 1);
}

/** Open addressing with linear probing, at most 2/3 full. */
function placeMerges(merges: readonly Merge[]): { slots: (Merge | undefined)[]; maxProbe: number } {
  const size = Math.ceil(merges.length * 1.5) + 2;
  const slots: (Merge | undefined)[] = Array.from({ length: size }, () => undefined);
  let maxProbe = 0;
  for (const merge of merges) {
    let slot = homeSlot(merge.left, merge.right, size);
    let probe = 0;
    for (; slots[slot] !== undefined; probe += 1) slot = slot + 1 === size ? 0 : slot + 1;
    slots[slot] = merge;
    maxProbe = Math.max(maxProbe, probe);
  }
  return { slots, maxProbe };
}

/** Ids by code point, in pages of which only those with an id are there. */
function pagesOf(characters: ReadonlyMap<number, number>): { pageOf: number[]; pages: Uint32Array[] } {
  const pageOf = Array.from({ length: PAGES }, () => NO_PAGE);
  const pages: Uint32Array[] = [];
  for (const [character, id] of [...characters].sort(([a], [b]) => a - b)) {
    const block = Math.floor(character / PAGE_CHARACTERS);
    if (pageOf[block] === NO_PAGE)
      pageOf[block] = pages.push(new Uint32Array(PAGE_CHARACTERS).fill(NONE)) - 1;
    const page = pages[pageOf[block] ?? NO_PAGE];
    if (page !== undefined) page[character % PAGE_CHARACTERS] = id;
  }
  return { pageOf, pages };
}

/** Ids that the model itself (not its added tokens alone) knows, by bytes. */
function sortedModelIds(tables: TokenizerTables): number[] {
  const { tokens } = tables;
  const added = new Set(tables.added.map((token) => token.id));
  const ids: number[] = [];
  for (const [id, token] of tokens.entries()) if (token !== undefined && !added.has(id)) ids.push(id);
  return ids.sort((a, b) => compareBytes(tokens[a], tokens[b]));
}

function compareBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  return Buffer.compare(a ?? new Uint8Array(), b ?? new Uint8Array());
}
