/** Export of every family: what transformers wrote comes back, and adapters are merged as peft merges them. */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  bitsOf,
  fileNameIn,
  loraResult,
  readAll,
  type Tensors,
  temporaryFolder,
  writeResult,
} from '../../../test/support/model-folders.ts';
import { importSource } from '../import.ts';
import { parseJsonObject } from '../json.ts';
import { openPack } from '../pack/read.ts';
import { openSharded } from '../safetensors/reader.ts';
import { packRows, unpackRows } from '../tensors/blocks.ts';
import type { ModelPack, WeightType } from '../types.ts';
import { exportResult } from './index.ts';
import { openResult } from './result.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures');
const dir = await temporaryFolder();
let serial = 0;
const fresh = () => join(dir, `${serial++}`);

async function imported(folder: string, dtype: WeightType = 'auto'): Promise<ModelPack> {
  const target = fresh();
  await importSource(join(fixtures, folder), target, { tokenizer: 'none', dtype });
  return openPack(target);
}

const json = async (path: string) => parseJsonObject(await readFile(path, 'utf8'), path);

/** The adapter of a fixture as the result of a LoRA run. */
const resultOf = (family: string, pack: ModelPack) =>
  loraResult(join(fixtures, family, 'peft'), pack, fresh());

const FAMILIES = ['hf-gpt2', 'hf-qwen2', 'hf-qwen3', 'hf-gemma3', 'hf-llama'];

test.each([...FAMILIES.map((family) => [family, 'single-f32']), ['hf-llama', 'biased-f32']])(
  '%s/%s: trained weights leave as transformers names and cuts them',
  async (family, name) => {
    const pack = await imported(join(family, name));
    const full = fresh();
    await cp(pack.dir, full, { recursive: true });
    await writeResult(full, pack.manifest.segments, [], fileNameIn(pack));
    const out = fresh();
    const report = await exportResult(await openResult(full), pack, { out, format: 'hf' });
    expect(report.notes).toEqual([]);
    const place = join(fixtures, family, name);
    const [mine, theirs] = [
      await readAll(join(out, 'model.safetensors')),
      await readAll(join(place, 'model.safetensors')),
    ];
    expect([...mine.keys()].sort()).toEqual([...theirs.keys()].sort());
    expect(bitsOf(mine)).toEqual(bitsOf(theirs));
    expect(await json(join(out, 'config.json'))).toEqual(await json(join(place, 'config.json')));
  },
);

test.each(FAMILIES)('%s: base and adapter merged are what peft merges', async (family) => {
  const pack = await imported(join(family, 'single-f32'));
  const out = fresh();
  await exportResult(await openResult(await resultOf(family, pack)), pack, { out, format: 'hf' });
  const [mine, theirs] = [
    await readAll(join(out, 'model.safetensors')),
    await readAll(join(fixtures, family, 'merged-f32', 'model.safetensors')),
  ];
  expect(largestDifference(mine, theirs)).toBeLessThan(1e-6);
  const base = await readAll(join(fixtures, family, 'single-f32', 'model.safetensors'));
  expect(largestDifference(mine, base)).toBeGreaterThan(1e-3);
});

test('an adapter is merged into a pack of any storage type: into what its weights stand for', async () => {
  for (const dtype of ['bf16', 'int8', 'int4'] as const) {
    const pack = await imported('hf-qwen2/single-f32', dtype);
    const out = fresh();
    const result = await openResult(await resultOf('hf-qwen2', pack));
    const report = await exportResult(result, pack, { out, format: 'hf' });
    const merged = await readAll(join(out, 'model.safetensors'));
    const delta = await peftDelta('hf-qwen2');
    const source = await readAll(join(fixtures, 'hf-qwen2', 'single-f32', 'model.safetensors'));
    // A row of q_proj is a row of the fused weight: blocks run along it, so each part can be stored alone.
    const name = 'model.layers.1.self_attn.q_proj.weight';
    const { shape = [], values = new Float32Array() } = source.get(name) ?? {};
    if (dtype !== 'bf16') {
      const stored = unpackRows(packRows(values, shape[1] ?? 1, dtype), shape[1] ?? 1, dtype);
      const expected = stored.map((value, i) => value + (delta.get(name)?.values[i] ?? 0));
      for (const [i, value] of (merged.get(name)?.values ?? []).entries())
        expect(Math.abs(value - (expected[i] ?? Number.NaN))).toBeLessThan(1e-6);
      expect(report.notes.join()).toMatch(
        dtype === 'int8' ? /stored as int8:/ : /int8 and int4|int4 and int8/,
      );
    } else expect(report.notes).toEqual([]);
    expect((await json(join(out, 'config.json'))).dtype).toBe('float32');
  }
});

test.each(['hf-qwen2', 'hf-gemma3', 'hf-llama'])(
  '%s: a bf16 folder goes through a pack unchanged',
  async (family) => {
    const pack = await imported(join(family, 'sharded-bf16'));
    const zero = await imported(join(family, 'single-f32'));
    const result = await openResult(await resultOf(family, zero));
    const place = join(fixtures, family, 'sharded-bf16');
    const sharded = await openSharded(place, 'model.safetensors.index.json');
    const out = fresh();
    await exportResult(result, pack, { out, format: 'hf', dtype: 'bf16' });
    const touched = new Set((await peftDelta(family)).keys());
    for (const [name, { values }] of await readAll(join(out, 'model.safetensors')))
      if (!touched.has(name))
        expect([...values], name).toEqual([...(await sharded.read(name, 0, values.length))]);
    await sharded.close();
  },
);

/** What peft's merge added, by tensors that it changed. */
async function peftDelta(family: string): Promise<Tensors> {
  const [base, merged] = [
    await readAll(join(fixtures, family, 'single-f32', 'model.safetensors')),
    await readAll(join(fixtures, family, 'merged-f32', 'model.safetensors')),
  ];
  const changed: Tensors = new Map();
  for (const [name, { shape, values }] of merged) {
    const before = base.get(name)?.values;
    const delta = values.map((value, i) => value - (before?.[i] ?? 0));
    if (delta.some((value) => value !== 0)) changed.set(name, { shape, values: delta });
  }
  return changed;
}

function largestDifference(a: Tensors, b: Tensors): number {
  let worst = 0;
  for (const [name, { values }] of a)
    for (const [i, value] of values.entries())
      worst = Math.max(worst, Math.abs(value - (b.get(name)?.values[i] ?? Number.NaN)));
  return worst;
}
