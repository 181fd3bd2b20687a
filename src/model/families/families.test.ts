/** Folders of every family as transformers writes them (scripts/oracle/hf_families.py), and what transformers computes. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failureOf, temporaryFolder } from '../../../test/support/model-folders.ts';
import { referenceLogits } from '../../../test/support/reference-decoder.ts';
import { mft } from '../../protocol/index.ts';
import { type CreateOptions, createRandom } from '../create.ts';
import { importSource } from '../import.ts';
import { type JsonObject, parseJsonObject } from '../json.ts';
import { countParameters } from '../pack/layout.ts';
import { openPack, packTensors } from '../pack/read.ts';
import { configFault } from '../pack/validate.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { ModelConfig } from '../types.ts';
import { familyOf, familyOfSize, sizeNames } from './index.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures');
const dir = await temporaryFolder();
let serial = 0;

async function imported(folder: string) {
  const target = join(dir, `pack-${serial++}`);
  await importSource(folder, target, { tokenizer: 'none' });
  return openPack(target);
}

const json = async (path: string) => parseJsonObject(await readFile(path, 'utf8'), path);
const configOf = async (path: string) => {
  const raw = await json(path);
  return familyOf(raw.model_type, path).readConfig(raw, path);
};
const plain = (config: ModelConfig) => mft.v1.ModelConfig.toObject(config, { defaults: true });

interface Expected {
  tokens: number[][];
  logits: Record<string, number[][][]>;
}

test.each([
  ['hf-qwen2', 'single-f32'],
  ['hf-qwen2', 'merged-f32'],
  ['hf-qwen2', 'sharded-bf16'],
  ['hf-qwen2', 'single-f16'],
  ['hf-qwen3', 'single-f32'],
  ['hf-qwen3', 'merged-f32'],
  ['hf-qwen3', 'sharded-bf16'],
  ['hf-gemma3', 'single-f32'],
  ['hf-gemma3', 'merged-f32'],
  ['hf-gemma3', 'sharded-bf16'],
  ['hf-gemma3', 'single-f16'],
  ['hf-llama', 'single-f32'],
  ['hf-llama', 'merged-f32'],
  ['hf-llama', 'biased-f32'],
  ['hf-llama', 'sharded-bf16'],
  ['hf-llama', 'single-f16'],
])('%s/%s means what transformers computes', async (family, name) => {
  const expected = (await json(join(fixtures, family, 'expected.json'))) as unknown as Expected;
  const pack = await imported(join(fixtures, family, name));
  let worst = 0;
  for (const [i, tokens] of expected.tokens.entries()) {
    const logits = await referenceLogits(pack, tokens);
    const wanted = expected.logits[name]?.[i] ?? [];
    expect(wanted).toHaveLength(tokens.length);
    for (const [t, row] of logits.entries())
      for (const [v, value] of row.entries())
        worst = Math.max(worst, Math.abs(value - (wanted[t]?.[v] ?? Number.NaN)));
  }
  expect(worst).toBeLessThan(1e-5);
});

test.each([
  ['hf-qwen2', 'single-f32', 'old-config.json'],
  ['hf-qwen3', 'single-f32', 'old-config.json'],
  ['hf-gemma3', 'single-f32', 'old-config.json'],
  ['hf-gemma3', 'single-f32', 'old-config-layer-types.json'],
  ['hf-llama', 'single-f32', 'old-config.json'],
  ['hf-llama', 'biased-f32', 'old-config-biased.json'],
])('%s/%s: an older config.json says the same', async (family, name, old) => {
  const now = await configOf(join(fixtures, family, name, 'config.json'));
  expect(plain(await configOf(join(fixtures, family, old)))).toEqual(plain(now));
});

/** readConfig of a fixture's config.json with some fields changed; undefined takes a field away. */
async function changed(family: string, change: JsonObject): Promise<ModelConfig> {
  const place = join(fixtures, family, 'single-f32', 'config.json');
  const raw = Object.fromEntries(
    Object.entries({ ...(await json(place)), ...change }).filter(([, value]) => value !== undefined),
  );
  return familyOf(raw.model_type, place).readConfig(raw, place);
}

const rope = (rope_type: string, more: JsonObject = {}) => ({
  rope_parameters: { rope_type, rope_theta: 10_000, ...more },
});
const gemmaRope = (full: JsonObject, sliding: JsonObject) => ({
  rope_parameters: { full_attention: full, sliding_attention: sliding },
});
const full = { rope_type: 'default', rope_theta: 1_000_000 };

test.each<[string, JsonObject, string, RegExp]>([
  [
    'hf-llama',
    rope('yarn', { factor: 4 }),
    'model.unknown-config-field',
    /rope_parameters.* rope_type = "yarn"/,
  ],
  ['hf-llama', rope('dynamic', { factor: 2 }), 'model.unknown-config-field', /"dynamic"/],
  ['hf-llama', rope('longrope', { long_factor: [1] }), 'model.unknown-config-field', /"longrope"/],
  [
    'hf-llama',
    rope('default', { partial_rotary_factor: 0.5 }),
    'model.unknown-config-field',
    /partial_rotary_factor = 0.5/,
  ],
  ['hf-llama', { partial_rotary_factor: 0.5 }, 'model.unknown-config-field', /partial_rotary_factor/],
  ['hf-llama', rope('linear'), 'model.bad-config-field', /factor: it is missing/],
  ['hf-llama', rope('linear', { factor: -1 }), 'model.bad-config-field', /factor = -1/],
  ['hf-llama', rope('linear', { factor: 2, beta_fast: 3 }), 'model.unknown-config-field', /beta_fast = 3/],
  [
    'hf-llama',
    rope('llama3', { factor: 2, low_freq_factor: 4, high_freq_factor: 4 }),
    'model.bad-config-field',
    /less than high_freq_factor/,
  ],
  [
    'hf-llama',
    { rope_theta: 77 },
    'model.bad-config-field',
    /rope_theta = 77.* contradicts rope_theta = 500000/,
  ],
  [
    'hf-llama',
    { rope_scaling: { type: 'linear', factor: 2 } },
    'model.bad-config-field',
    /contradicts rope_parameters/,
  ],
  ['hf-llama', { rope_interleaved: true }, 'model.unknown-config-field', /rope_interleaved/],
  ['hf-llama', { hidden_act: 'gelu' }, 'model.unknown-config-field', /hidden_act = "gelu"/],
  ['hf-llama', { hidden_act: 'toString' }, 'model.unknown-config-field', /hidden_act/],
  ['hf-llama', { sliding_window: 128 }, 'model.unknown-config-field', /sliding_window = 128/],
  [
    'hf-qwen2',
    { num_key_value_heads: undefined },
    'model.bad-config-field',
    /num_key_value_heads: it is missing/,
  ],
  [
    'hf-llama',
    { head_dim: null, num_attention_heads: 7 },
    'model.bad-config-field',
    /not a multiple of 7 heads/,
  ],
  ['hf-llama', { vocab_size: undefined }, 'model.bad-config-field', /vocab_size: it is missing/],
  ['hf-llama', { rms_norm_eps: 1 }, 'model.bad-config-field', /rms_norm_eps = 1: a positive number below 1/],
  ['hf-llama', { attention_bias: 'yes' }, 'model.bad-config-field', /attention_bias = "yes"/],
  ['hf-qwen2', { layer_types: ['full_attention'] }, 'model.bad-config-field', /a list of 2 entries/],
  [
    'hf-qwen2',
    { layer_types: ['full_attention', 'chunked_attention'] },
    'model.unknown-config-field',
    /chunked_attention/,
  ],
  [
    'hf-qwen2',
    { layer_types: ['full_attention', 'sliding_attention'] },
    'model.bad-config-field',
    /no window/,
  ],
  ['hf-qwen2', { attention_bias: true }, 'model.unknown-config-field', /attention_bias/],
  ['hf-qwen2', { use_mrope: true }, 'model.unknown-config-field', /use_mrope/],
  [
    'hf-qwen2',
    { quantization_config: { quant_method: 'gptq' } },
    'model.unknown-config-field',
    /quantization_config/,
  ],
  ['hf-gemma3', { model_type: 'gemma3' }, 'model.unknown-family', /text and vision/],
  ['hf-gemma3', { attn_logit_softcapping: 50 }, 'model.unknown-config-field', /attn_logit_softcapping = 50/],
  [
    'hf-gemma3',
    { use_bidirectional_attention: true },
    'model.unknown-config-field',
    /use_bidirectional_attention/,
  ],
  ['hf-gemma3', { final_logit_softcapping: 0 }, 'model.bad-config-field', /final_logit_softcapping = 0/],
  ['hf-gemma3', { sliding_window: null }, 'model.bad-config-field', /layers slide, but no window/],
  [
    'hf-gemma3',
    { layer_types: undefined, _sliding_window_pattern: 2 },
    'model.unknown-config-field',
    /_sliding_window_pattern = 2/,
  ],
  [
    'hf-gemma3',
    gemmaRope(full, { rope_type: 'linear', factor: 2 }),
    'model.bad-config-field',
    /can not be scaled/,
  ],
  [
    'hf-gemma3',
    gemmaRope({ ...full, rope_type: 'yarn' }, full),
    'model.unknown-config-field',
    /full_attention.*"yarn"/,
  ],
  ['hf-gemma3', { rope_parameters: full }, 'model.unknown-config-field', /rope_type|rope_theta/],
  [
    'hf-gemma3',
    { rope_local_base_freq: 3 },
    'model.bad-config-field',
    /rope_local_base_freq = 3.* contradicts/,
  ],
  ['hf-gemma3', { hidden_act: 'gelu' }, 'model.unknown-config-field', /hidden_act/],
])('%s: %j is refused', async (family, change, code, message) => {
  const error = await failureOf(changed(family, change));
  expect(error.message).toMatch(message);
  expect(error.code).toBe(code);
});

test('defaults and switches as in the configuration classes of transformers', async () => {
  const without = { rope_parameters: undefined, bos_token_id: undefined, eos_token_id: undefined };
  expect(
    await changed('hf-llama', { ...without, rms_norm_eps: undefined, tie_word_embeddings: undefined }),
  ).toMatchObject({
    ropeTheta: 10_000,
    normEps: Math.fround(1e-6),
    tiedEmbeddings: false,
    bosToken: 1,
    eosToken: 2,
  });
  expect((await changed('hf-llama', { num_key_value_heads: undefined })).numKvHeads).toBe(6);
  expect(await changed('hf-llama', { num_key_value_heads: null, head_dim: null })).toMatchObject({
    numKvHeads: 6,
    headDim: 4,
  });
  const linear = await changed('hf-llama', {
    rope_parameters: undefined,
    rope_scaling: { type: 'linear', factor: 3 },
  });
  expect(linear.ropeScaling).toMatchObject({ kind: mft.v1.RopeScalingKind.ROPE_SCALING_LINEAR, factor: 3 });
  const slides = { use_sliding_window: true, layer_types: undefined };
  expect(await changed('hf-qwen2', { ...slides, sliding_window: 7, max_window_layers: 1 })).toMatchObject({
    slidingWindow: 7,
    slidingLayers: [false, true],
  });
  expect(await changed('hf-qwen2', { ...slides, sliding_window: 7, max_window_layers: 0 })).toMatchObject({
    slidingLayers: [true, true],
  });
  for (const change of [
    { ...slides, sliding_window: null },
    { ...slides, max_window_layers: 2 },
  ])
    expect((await changed('hf-qwen2', change)).slidingLayers).toEqual([]);
  expect(await changed('hf-gemma3', { query_pre_attn_scalar: 6, final_logit_softcapping: 30 })).toMatchObject(
    {
      attentionScale: 0,
      logitSoftcap: 30,
    },
  );
  expect(
    await changed('hf-gemma3', { layer_types: undefined, num_hidden_layers: 7, sliding_window: undefined }),
  ).toMatchObject({
    slidingLayers: [true, true, true, true, true, false, true],
    slidingWindow: 4096,
  });
  expect(await changed('hf-gemma3', { ...without, attention_bias: true })).toMatchObject({
    ropeTheta: 1_000_000,
    ropeLocalTheta: 10_000,
    ropeScaling: null,
    qkvBias: true,
    attentionOutBias: true,
    bosToken: 2,
    eosToken: 1,
  });
});

test('published sizes have the published numbers of parameters, and their config.json is understood', () => {
  const counts = Object.fromEntries(
    sizeNames.map((name) => {
      const family = familyOfSize(name);
      const raw = family?.newConfig(family.sizes[name] ?? {}) ?? {};
      return [name, countParameters(familyOf(raw.model_type, name).readConfig(raw, name))];
    }),
  );
  // Counted by transformers 5.23: AutoModelForCausalLM.from_config(config).num_parameters().
  expect(counts).toEqual({
    distilgpt2: 81_912_576,
    gpt2: 124_439_808,
    'gpt2-medium': 354_823_168,
    'gpt2-large': 774_030_080,
    'gpt2-xl': 1_557_611_200,
    'qwen2.5-0.5b': 494_032_768,
    'qwen2.5-1.5b': 1_543_714_304,
    'qwen2.5-3b': 3_085_938_688,
    'qwen3-0.6b': 596_049_920,
    'qwen3-1.7b': 1_720_574_976,
    'gemma-3-270m': 268_098_176,
    'gemma-3-1b': 999_885_952,
    'smollm2-135m': 134_515_008,
    'smollm2-360m': 361_821_120,
    'smollm2-1.7b': 1_711_376_384,
    'llama-3.2-1b': 1_235_814_400,
  });
});

const small = { hidden: 48, layers: 3, heads: 4, positions: 32, vocab: 101, seed: 3 };

test.each([
  ['qwen2', { numKvHeads: 4, headDim: 12, intermediateSize: 128, qkvBias: true, ropeTheta: 1e6 }],
  ['qwen3', { numKvHeads: 4, headDim: 12, intermediateSize: 128, qkNorm: true, ropeTheta: 1e6 }],
  ['llama', { numKvHeads: 4, headDim: 12, intermediateSize: 128, qkvBias: false, ropeTheta: 1e4 }],
  [
    'gemma3_text',
    { numKvHeads: 4, headDim: 12, intermediateSize: 128, slidingWindow: 512, attentionScale: 0 },
  ],
])('a new %s model: usual fields, values as transformers draws them', async (family, config) => {
  const target = join(dir, `new-${family}`);
  await createRandom(target, { ...small, family, dtype: 'bf16' });
  const pack = await openPack(target);
  expect(pack.config).toMatchObject({
    ...config,
    family,
    vocabSize: 101,
    bosToken: 100,
    eosToken: 100,
    tiedEmbeddings: true,
  });
  expect(plain(await configOf(join(target, 'config.json')))).toEqual(plain(pack.config));
  const reader = packTensors(pack);
  for (const [name, shape] of reader.shapes) {
    const values = [...(await reader.read(name, 0, elementsOf(shape)))];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    if (name.endsWith('.bias')) expect(new Set(values), name).toEqual(new Set([0]));
    else if (name.includes('norm'))
      expect(new Set(values), name).toEqual(new Set([family === 'gemma3_text' ? 0 : 1]));
    else expect(Math.abs(deviation / 0.02 - 1), name).toBeLessThan(5 / Math.sqrt(2 * values.length));
  }
  await reader.close();
  const logits = await referenceLogits(pack, [1, 2, 3]);
  expect(logits.flat().every(Number.isFinite)).toBe(true);
});

test('sizes of a new model by flags: heads, kv heads and their size, or a published size in part', async () => {
  const make = async (options: CreateOptions) => {
    const target = join(dir, `sized-${serial++}`);
    await createRandom(target, options);
    return (await openPack(target)).config;
  };
  expect(await make({ ...small, family: 'llama', kvHeads: 2, headDim: 6, inner: 20 })).toMatchObject({
    numKvHeads: 2,
    headDim: 6,
    intermediateSize: 20,
  });
  expect(await make({ size: 'gemma-3-270m', layers: 7, vocab: 50, hidden: 16, inner: 24 })).toMatchObject({
    family: 'gemma3_text',
    headDim: 256,
    numKvHeads: 1,
    slidingLayers: [true, true, true, true, true, false, true],
    bosToken: 2,
    eosToken: 1,
  });
  const failure = (options: CreateOptions) => failureOf(make(options));
  expect((await failure({ ...small, family: 'gpt2', kvHeads: 2 })).message).toMatch(/gpt2 has no --kv-heads/);
  expect((await failure({ size: 'qwen2.5-0.5' })).suggestions[0]).toBe('Did you mean qwen2.5-0.5b?');
  expect((await failure({ family: 'llama', size: 'gpt2' })).code).toBe('model.unknown-size');
  expect((await failure({ ...small, family: 'llama', kvHeads: 3 })).message).toMatch(/num_kv_heads/);
  expect((await failure({ ...small, family: 'llama', headDim: 5 })).message).toMatch(/even head_dim/);
});

test('an impossible configuration is told, whoever made it', async () => {
  const sound = await changed('hf-gemma3', {});
  expect(configFault(sound)).toBeUndefined();
  const cases: [object, RegExp][] = [
    [{ headDim: 7 }, /even head_dim/],
    [{ ropeTheta: Number.NaN }, /ropeTheta/],
    [{ ropeTheta: 0 }, /RoPE needs a base/],
    [{ slidingLayers: [true] }, /one entry a layer/],
    [{ slidingWindow: 0 }, /without a window/],
    [{ logitSoftcap: Number.POSITIVE_INFINITY }, /logitSoftcap/],
    [{ attentionScale: -1 }, /attentionScale/],
    [{ ropeScaling: { kind: 9, factor: 2 } }, /ropeScaling/],
    [{ ropeScaling: { kind: 1, factor: 0 } }, /ropeScaling\.factor/],
  ];
  for (const [change, message] of cases)
    expect(
      configFault(mft.v1.ModelConfig.create({ ...sound, ...change }) as ModelConfig),
      JSON.stringify(change),
    ).toMatch(message);
});

test('tensors of q, k, v, gate and up are named one by one when they are missing', async () => {
  const copy = join(dir, 'copy');
  await mkdir(copy);
  await cp(join(fixtures, 'hf-llama', 'single-f32'), copy, { recursive: true });
  await writeFile(
    join(copy, 'config.json'),
    JSON.stringify({
      ...(await json(join(copy, 'config.json'))),
      attention_bias: true,
      num_key_value_heads: 2,
    }),
  );
  const error = await failureOf(imported(copy));
  expect(error.message).toContain('model.layers.0.self_attn.q_proj.bias [24] is missing');
  expect(error.message).toContain(
    'model.layers.0.self_attn.k_proj.weight has shape [12, 24], [8, 24] is expected',
  );
  await rm(copy, { recursive: true });
});
