import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { importSource } from '../import.ts';
import { openPack, packTensors } from '../pack/read.ts';
import { type F32, narrow, widen } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import { parseGgufHeader } from './header.ts';
import { openGgufModel } from './model.ts';
import { openGguf } from './reader.ts';

/** scripts/oracle/gguf_types.py */
const FIXTURE = join(import.meta.dirname, '../../../test/fixtures/gguf/types.gguf');
const scratch = mkdtempSync(join(tmpdir(), 'mft-gguf-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('every storage type becomes the values that llama.cpp says, to the bit', async () => {
  const reader = await openGguf(FIXTURE);
  const stored = [...reader.tensors.keys()].filter((name) => reader.tensors.has(`${name}.f32`));
  expect(new Set(stored.map((name) => reader.tensors.get(name)?.type))).toEqual(
    new Set(['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q4_K', 'Q5_K', 'Q6_K']),
  );
  for (const name of stored) {
    const total = 3 * 512;
    expect(reader.shapes.get(name), name).toEqual([3, 512]);
    const found = await reader.read(name, 0, total);
    const expected = await reader.read(`${name}.f32`, 0, total);
    expect(new Uint32Array(found.buffer), name).toEqual(new Uint32Array(expected.buffer));
    // A range that begins and ends inside blocks.
    expect(await reader.read(name, 300, 845), name).toEqual(expected.slice(300, 845));
  }
  await reader.close();
});

test('metadata keeps numbers, words and arrays', async () => {
  const reader = await openGguf(FIXTURE);
  expect(reader.metadata.get('general.architecture')).toBe('llama');
  expect(reader.metadata.get('test.numbers')).toEqual([1, 2, 3]);
  expect(reader.metadata.get('test.words')).toEqual(['ein', 'zwei', 'дrei']);
  await reader.close();
});

test('a file cut short anywhere in its header or data is refused by name', async () => {
  const whole = readFileSync(FIXTURE);
  for (const length of [0, 3, 7, 12, 40, 200, 1000, whole.length - 1]) {
    const path = join(scratch, `cut-${length}.gguf`);
    writeFileSync(path, whole.subarray(0, length));
    await expect(openGguf(path), `${length} bytes`).rejects.toMatchObject({ code: 'model.gguf-malformed' });
  }
});

test('damaged headers never crash and never ask for more than the file has', () => {
  const whole = readFileSync(FIXTURE);
  const header = whole.subarray(0, 4096);
  for (let at = 0; at < header.length; at += 1) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0xff;
    try {
      parseGgufHeader(damaged, damaged.length, 'damaged.gguf');
    } catch (error) {
      expect((error as { code?: string }).code).toMatch(/^model\.gguf-/);
    }
  }
});

test.each(['gpt2', 'llama', 'qwen2', 'gemma3'])(
  'a GGUF file of %s imports as the folder it was made of, to the bit',
  async (name) => {
    const fixtures = join(FIXTURE, '..');
    const target = (from: string) => join(scratch, `${name}-${from}`);
    const folder = await importSource(join(fixtures, `${name}-hf`), target('hf'), { tokenizer: 'none' });
    const file = await importSource(join(fixtures, `${name}.gguf`), target('gguf'), { tokenizer: 'none' });
    expect(file.config).toEqual(folder.config);
    for (const [i, segment] of folder.segments.entries())
      expect(Buffer.from(file.segments[i]?.sha256 ?? []).toString('hex'), segment.name).toBe(
        Buffer.from(segment.sha256).toString('hex'),
      );
  },
);

test('blocks of packs are kept as they are, whoever made them; other types become f16', async () => {
  // scripts/oracle/gguf_models.py, write_mixed
  const file = join(FIXTURE, '../mixed.gguf');
  await importSource(file, join(scratch, 'mixed'), { tokenizer: 'none' });
  const pack = packTensors(await openPack(join(scratch, 'mixed')));
  const model = await openGgufModel(file);
  const rounded = (values: F32) => widen(narrow(values, 'f16'), 'f16');
  const expected: [string, string, (values: F32) => F32][] = [
    ['embed.tokens', 'model.embed_tokens', (values) => values], // Q8_0
    ['blocks.0.attn.out.weight', 'model.layers.0.self_attn.o_proj', (values) => values], // Q4_0
    ['blocks.1.attn.out.weight', 'model.layers.1.self_attn.o_proj', rounded], // Q5_0
    ['blocks.0.mlp.down.weight', 'model.layers.0.mlp.down_proj', rounded], // Q4_1
    ['blocks.1.mlp.down.weight', 'model.layers.1.mlp.down_proj', (values) => values], // BF16
  ];
  for (const [tensor, hf, change] of expected) {
    const total = elementsOf(pack.shapes.get(tensor) ?? []);
    const values = await model.read(`${hf}.weight`, 0, total);
    expect(await pack.read(tensor, 0, total), tensor).toEqual(change(values));
    expect(new Set(values).size).toBeGreaterThan(16);
  }
  await model.close();
  await pack.close();
});
