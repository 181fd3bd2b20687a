/** Tables to the bytes of tokenizer.bin. */
import {
  ADDED_BYTES,
  AddedFlag,
  Field,
  Flag,
  HEADER_BYTES,
  MAGIC,
  MERGE_SLOT_BYTES,
  type Merge,
  mergeHash,
  NONE,
  PreTokenizer,
  type TokenizerTables,
  VERSION,
} from './format.ts';

export function writeTables(tables: TokenizerTables): Uint8Array<ArrayBuffer> {
  const { tokens } = tables;
  const blobBytes = tokens.reduce((sum, token) => sum + (token?.length ?? 0), 0);
  const { slots, maxProbe } = placeMerges(tables.merges);
  const added = tables.added.toSorted((a, b) => compareBytes(tokens[a.id], tokens[b.id]));
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
    added: section(ADDED_BYTES * added.length),
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
  u32(Field.flags, tables.ignoreMerges ? Flag.ignoreMerges : 0);
  u32(Field.tokenCount, tokens.length);
  u32(Field.mergeCount, tables.merges.length);
  u32(Field.mergeSlots, slots.length);
  u32(Field.addedCount, added.length);
  u32(Field.bos, tables.bos ?? NONE);
  u32(Field.eos, tables.eos ?? NONE);
  u32(Field.maxProbe, maxProbe);
  u64(Field.tokenOffsets, at.tokenOffsets);
  u64(Field.tokenBytes, at.tokenBytes);
  u64(Field.tokenBytesSize, blobBytes);
  u64(Field.byteIds, at.byteIds);
  u64(Field.merges, at.merges);
  u64(Field.added, at.added);
  u64(Field.sortedIds, at.sortedIds);

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
    const to = at.merges + MERGE_SLOT_BYTES * slot;
    u32(to, merge?.left ?? NONE);
    u32(to + 4, merge?.right ?? 0);
    u32(to + 8, merge?.rank ?? 0);
    u32(to + 12, merge?.id ?? 0);
  }
  for (const [index, token] of added.entries()) {
    u32(at.added + ADDED_BYTES * index, token.id);
    const flags = (token.special ? AddedFlag.special : 0) | (token.normalized ? AddedFlag.normalized : 0);
    u32(at.added + ADDED_BYTES * index + 4, flags);
  }
  for (const [index, id] of sortedIds.entries()) u32(at.sortedIds + 4 * index, id);
  return file;
}

/** Open addressing with linear probing, at most 5/8 full. */
function placeMerges(merges: readonly Merge[]): { slots: (Merge | undefined)[]; maxProbe: number } {
  let size = 2;
  while (size * 5 < merges.length * 8) size *= 2;
  const slots: (Merge | undefined)[] = Array.from({ length: size }, () => undefined);
  let maxProbe = 0;
  for (const merge of merges) {
    const home = mergeHash(merge.left, merge.right) & (size - 1);
    let probe = 0;
    while (slots[(home + probe) & (size - 1)] !== undefined) probe += 1;
    slots[(home + probe) & (size - 1)] = merge;
    maxProbe = Math.max(maxProbe, probe);
  }
  return { slots, maxProbe };
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
