/** GGUF out of every family: read back by mft it is the pack again, bit for bit. Against gguf-py: scripts/oracle/check_gguf.py. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failureOf, loraResult, temporaryFolder } from '../../../test/support/model-folders.ts';
import { createRandom } from '../create.ts';
import { openGguf } from '../gguf/reader.ts';
import { importSource } from '../import.ts';
import { isObject, parseJsonObject } from '../json.ts';
import { openPack, packTensors } from '../pack/read.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { ExportType, ModelPack, TensorReader, WeightType } from '../types.ts';
import { exportModel, exportResult } from './index.ts';
import { openResult } from './result.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures');
const dir = await temporaryFolder();
let serial = 0;
const fresh = () => join(dir, `${serial++}`);
const freshFile = () => `${fresh()}.gguf`;

async function imported(source: string, dtype: WeightType = 'auto'): Promise<ModelPack> {
  const target = fresh();
  await importSource(source, target, { tokenizer: 'none', dtype });
  return openPack(target);
}

/** A fixture, its configuration made one that GGUF can say and mft reads out of it again. */
async function sayable(family: string, folder: string): Promise<ModelPack> {
  const changed = fresh();
  await cp(join(fixtures, family, folder), changed, { recursive: true });
  const path = join(changed, 'config.json');
  const config = parseJsonObject(await readFile(path, 'utf8'), path);
  if (family === 'hf-gemma3')
    Object.assign(config, { layer_types: Array(3).fill('sliding_attention'), query_pre_attn_scalar: 6 });
  if (family === 'hf-llama' && folder !== 'biased-f32')
    Object.assign(isObject(config.rope_parameters) ? config.rope_parameters : {}, {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
  await writeFile(path, JSON.stringify(config));
  return await imported(changed);
}

/** The pack as a GGUF file, and that file as a pack. */
async function thereAndBack(pack: ModelPack, dtype: ExportType): Promise<ModelPack> {
  const out = freshFile();
  await exportModel(pack, { out, format: 'gguf', dtype });
  return await imported(out);
}

const hashes = ({ manifest }: ModelPack) =>
  manifest.segments.map(({ name, sha256 }) => [name, Buffer.from(sha256).toString('hex')]);

/** All values by name, as bits. */
async function bits(reader: TensorReader): Promise<Map<string, Uint32Array>> {
  const all = new Map<string, Uint32Array>();
  for (const [name, shape] of reader.shapes)
    all.set(name, new Uint32Array((await reader.read(name, 0, elementsOf(shape))).buffer));
  await reader.close();
  return all;
}

const FAMILIES = ['hf-gpt2', 'hf-qwen2', 'hf-qwen3', 'hf-gemma3', 'hf-llama'];
const STORED: Record<string, ExportType> = {
  'single-f32': 'f32',
  'single-f16': 'f16',
  'sharded-bf16': 'bf16',
  'biased-f32': 'f32',
};

test.each([
  ...FAMILIES.flatMap((family) =>
    ['single-f32', 'single-f16', 'sharded-bf16'].map((folder) => [family, folder] as const),
  ),
  ['hf-llama', 'biased-f32'] as const,
])('%s/%s comes back to the bit', async (family, folder) => {
  const pack = await sayable(family, folder);
  const back = await thereAndBack(pack, STORED[folder] ?? 'f32');
  expect(back.config).toEqual(pack.config);
  if (family !== 'hf-gemma3') return expect(hashes(back)).toEqual(hashes(pack));
  // Its norms are stored as 1 + w, which rounds w; from then on they stay.
  const [before, after] = [await bits(packTensors(pack)), await bits(packTensors(back))];
  for (const [name, values] of before) {
    const floats = new Float32Array(values.buffer);
    const expected = name.includes('norm') ? floats.map((w) => Math.fround(1 + w) - 1) : floats;
    expect(after.get(name), name).toEqual(new Uint32Array(expected.buffer));
  }
  expect(hashes(await thereAndBack(back, STORED[folder] ?? 'f32'))).toEqual(hashes(back));
});

const SIZES = { vocab: 71, hidden: 64, layers: 2, heads: 4, inner: 96, positions: 32, seed: 3 };

test.each(['gpt2', 'qwen2', 'qwen3', 'gemma3_text', 'llama'])(
  '%s: blocks of int8 leave and come back as they are',
  async (family) => {
    const target = fresh();
    const more = family === 'gpt2' ? {} : { kvHeads: 2, headDim: 32 };
    await createRandom(target, { family, ...SIZES, ...more, dtype: 'int8' });
    const pack = await openPack(target);
    const back = await thereAndBack(pack, 'q8_0');
    expect(back.config).toEqual(pack.config);
    expect(hashes(back)).toEqual(hashes(pack));
  },
);

test('rows that blocks do not fill are F16, vectors and norms F32', async () => {
  const pack = await imported(join(fixtures, 'hf-qwen3/single-f32'));
  const out = freshFile();
  const report = await exportModel(pack, { out, format: 'gguf', dtype: 'q8_0' });
  expect(report.notes.join()).toMatch(/\d+ tensors are F16/);
  const reader = await openGguf(out);
  for (const { name, type, shape } of reader.tensors.values()) {
    const expected = shape.length === 1 ? 'F32' : (shape[1] ?? 0) % 32 === 0 ? 'Q8_0' : 'F16';
    expect(type, name).toBe(expected);
  }
  expect(reader.metadata.get('general.file_type')).toBe(7);
  await reader.close();
});

test.each(FAMILIES)('%s: the adapter is what merging adds', async (family) => {
  const pack = await sayable(family, 'single-f32');
  const result = await openResult(await loraResult(join(fixtures, family, 'peft'), pack, fresh()));
  const [base, merged, adapter] = [freshFile(), freshFile(), freshFile()];
  await exportModel(pack, { out: base, format: 'gguf', dtype: 'f32' });
  await exportResult(result, pack, { out: merged, format: 'gguf', dtype: 'f32' });
  const report = await exportResult(result, pack, { out: adapter, format: 'gguf-adapter' });
  const [from, to, lora] = [await openGguf(base), await openGguf(merged), await openGguf(adapter)];
  const { metadata } = lora;
  expect(metadata.get('general.type')).toBe('adapter');
  expect(metadata.get('adapter.type')).toBe('lora');
  const alpha = Number(metadata.get('adapter.lora.alpha'));
  expect(report.tensors).toBe(lora.tensors.size);
  const all = (reader: TensorReader, name: string) =>
    reader.read(name, 0, elementsOf(reader.shapes.get(name) ?? []));
  let adapted = 0;
  for (const [name, shape] of from.shapes) {
    const [before, after] = [await all(from, name), await all(to, name)];
    const a = lora.shapes.has(`${name}.lora_a`) ? await all(lora, `${name}.lora_a`) : undefined;
    if (a === undefined) {
      expect(after, name).toEqual(before);
      continue;
    }
    adapted += 1;
    const b = await all(lora, `${name}.lora_b`);
    const [rows = 0, columns = 0] = shape;
    const r = lora.shapes.get(`${name}.lora_b`)?.[1] ?? 0;
    expect(lora.shapes.get(`${name}.lora_a`)).toEqual([r, columns]);
    expect(lora.shapes.get(`${name}.lora_b`)).toEqual([rows, r]);
    let worst = 0;
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        let delta = 0;
        for (let k = 0; k < r; k += 1) delta += (b[row * r + k] ?? 0) * (a[k * columns + column] ?? 0);
        const at = row * columns + column;
        const expected = (before[at] ?? Number.NaN) + (alpha / r) * delta;
        worst = Math.max(worst, Math.abs((after[at] ?? Number.NaN) - expected));
      }
    expect(worst, name).toBeLessThan(1e-6);
  }
  expect(2 * adapted).toBe(lora.tensors.size);
  for (const reader of [from, to, lora]) await reader.close();
});

test('what llama.cpp would compute otherwise is refused by field, and nothing is left', async () => {
  const place = fresh();
  const out = join(place, 'qwen.gguf');
  const qwen = await imported(join(fixtures, 'hf-qwen2/single-f32'));
  const cases: [Partial<ModelPack['config']>, RegExp][] = [
    [{ slidingWindow: 8, slidingLayers: [false, true] }, /slidingWindow|sliding_window/],
    [{ attentionScale: 0.5 }, /attentionScale 0.5/],
    [{ logitSoftcap: 30 }, /final_logit_softcapping/],
  ];
  for (const [change, message] of cases) {
    const config = Object.assign(Object.create(Object.getPrototypeOf(qwen.config)), qwen.config, change);
    const error = await failureOf(exportModel({ ...qwen, config }, { out, format: 'gguf' }));
    expect(error.message).toMatch(message);
  }
  expect(await readdir(place)).toEqual([]);
});

test('a type that a format lacks is refused', async () => {
  const pack = await imported(join(fixtures, 'hf-gpt2/single-f32'));
  const error = await failureOf(exportModel(pack, { out: fresh(), format: 'hf', dtype: 'q8_0' }));
  expect(error.code).toBe('export.dtype');
});
