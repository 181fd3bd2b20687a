import { expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { gpt2 } from './families/gpt2.ts';
import { qwen2 } from './families/qwen2.ts';
import { adapterSegmentShape, adapterTensorNames, resolveLoraTargets, scaleOf, targetOf } from './lora.ts';
import { summarizeAdapters } from './lora-summary.ts';
import { canonicalSegments, tensorShape } from './pack/layout.ts';
import type { LoraOverride, LoraRequest, LoraTarget } from './types.ts';

const config = gpt2.readConfig(
  { vocab_size: 50, n_embd: 12, n_layer: 2, n_head: 3, n_positions: 8, bos_token_id: 0, eos_token_id: 0 },
  'test',
);
const resolve = (modules?: string[], r = 4, alpha = 16) => resolveLoraTargets(config, { modules, r, alpha });
const paths = (modules?: string[]) =>
  resolve(modules).map(({ module }) => module.replace('transformer.h.', ''));

test('the default is the recipe: qkv and the attention projection', () => {
  expect(paths()).toEqual(['0.attn.c_attn', '0.attn.c_proj', '1.attn.c_attn', '1.attn.c_proj']);
  expect(resolve()[2]).toMatchObject({
    tensor: 'blocks.1.attn.qkv.weight',
    rowBegin: 0,
    rowEnd: 36,
    r: 4,
    alpha: 16,
    module: 'transformer.h.1.attn.c_attn',
  });
});

test('names mean what they mean in peft: whole paths or their ends', () => {
  expect(paths(['c_proj'])).toEqual(['0.attn.c_proj', '0.mlp.c_proj', '1.attn.c_proj', '1.mlp.c_proj']);
  expect(paths(['mlp.c_fc', 'transformer.h.1.attn.c_attn'])).toEqual([
    '0.mlp.c_fc',
    '1.attn.c_attn',
    '1.mlp.c_fc',
  ]);
  expect(paths(['all-linear'])).toHaveLength(8);
  expect(resolve(['mlp.c_proj'])[0]).toMatchObject({ tensor: 'blocks.0.mlp.down.weight', rowEnd: 12 });
});

test('an unknown module is named, with the nearest known one', () => {
  const failure = (modules: string[], r = 4, alpha = 16) => {
    try {
      resolve(modules, r, alpha);
    } catch (error) {
      if (error instanceof MftError) return error;
    }
    throw new Error('expected an MftError');
  };
  const error = failure(['c_attn', 'c_porj']);
  expect(error.message).toContain('"c_porj"');
  expect(error.suggestions[0]).toBe('Did you mean c_proj?');
  expect(error.suggestions[1]).toContain('attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj; or all-linear');
  expect(failure(['proj']).code).toBe('model.unknown-module');
  expect(failure([]).code).toBe('model.unknown-module');
  expect(failure(['c_attn'], 0).code).toBe('model.bad-rank');
  expect(failure(['c_attn'], 4, Number.NaN).code).toBe('model.bad-rank');
});

test('names and shapes of the adapter segment', () => {
  const targets = resolve(['mlp.c_fc'], 2);
  expect(adapterSegmentShape(targets, config)).toEqual({
    name: 'adapter',
    tensors: [
      { name: 'blocks.0.mlp.up.weight.lora_A', shape: [2, 12] },
      { name: 'blocks.0.mlp.up.weight.lora_B', shape: [48, 2] },
      { name: 'blocks.1.mlp.up.weight.lora_A', shape: [2, 12] },
      { name: 'blocks.1.mlp.up.weight.lora_B', shape: [48, 2] },
    ],
  });
  // The query rows of a fused weight alone.
  const query = {
    ...targetOf(
      { path: 'q', tensor: 'blocks.1.attn.qkv.weight', rowBegin: 0, rowEnd: 12, inFeatures: 12 },
      2,
      4,
    ),
  };
  expect(adapterTensorNames(query as LoraTarget, config)).toEqual({
    a: 'blocks.1.attn.qkv.weight[0:12].lora_A',
    b: 'blocks.1.attn.qkv.weight[0:12].lora_B',
  });
});

test('shapes of canonical tensors by name', () => {
  for (const { tensors } of canonicalSegments(config))
    for (const { name, shape } of tensors) expect(tensorShape(name, config)).toEqual(shape);
  expect(tensorShape('blocks.2.attn.qkv.weight', config)).toBeUndefined();
  expect(tensorShape('lm_head.weight', config)).toBeUndefined();
});

const decoder = qwen2.readConfig(
  {
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 32,
    bos_token_id: 0,
    eos_token_id: 0,
  },
  'test',
);

test('separate projections adapt their rows of the fused weights', () => {
  const [q, k, v] = resolveLoraTargets(decoder, { modules: ['q_proj', 'k_proj', 'v_proj'], r: 2, alpha: 4 });
  expect([q, k, v].map((target) => [target?.tensor, target?.rowBegin, target?.rowEnd])).toEqual([
    ['blocks.0.attn.qkv.weight', 0, 16],
    ['blocks.0.attn.qkv.weight', 16, 24],
    ['blocks.0.attn.qkv.weight', 24, 32],
  ]);
  const all = resolveLoraTargets(decoder, { modules: ['all-linear'], r: 2, alpha: 4 });
  expect(all).toHaveLength(21); // seven a layer; not the head
});

test('a text is an expression of whole paths', () => {
  const meant = (modules: string) =>
    resolveLoraTargets(decoder, { modules, r: 2, alpha: 4 }).map(({ module }) => module);
  expect(meant('.*\\.[02]\\..*(q|v)_proj')).toEqual([
    'model.layers.0.self_attn.q_proj',
    'model.layers.0.self_attn.v_proj',
    'model.layers.2.self_attn.q_proj',
    'model.layers.2.self_attn.v_proj',
  ]);
  expect(() => meant('(q|v)_proj')).toThrow(/no linear module "\(q\|v\)_proj"/);
});

test('overrides give modules a rank and an alpha of their own, as peft: the first that means a module counts', () => {
  const targets = resolveLoraTargets(decoder, {
    modules: ['q_proj', 'down_proj'],
    r: 8,
    alpha: 16,
    rslora: true,
    overrides: {
      '1.mlp.down_proj': { r: 4 },
      'mlp.down_proj': { r: 32, alpha: 1 },
      '.*\\.2\\..*q_proj': { alpha: 5 },
    },
  });
  expect(targets.map(({ r, alpha }) => [r, alpha])).toEqual([
    [8, 16],
    [32, 1],
    [8, 16],
    [4, 1],
    [8, 5],
    [32, 1],
  ]);
  expect(targets.every(({ rslora }) => rslora)).toBe(true);
  expect(scaleOf({ r: 4, alpha: 1, rslora: true })).toBe(0.5);
  expect(scaleOf({ r: 4, alpha: 1, rslora: false })).toBe(0.25);
});

test('an override that changes nothing is an error that names it', () => {
  const failure = (overrides: Record<string, LoraOverride>) => {
    try {
      resolveLoraTargets(decoder, { modules: ['q_proj', 'down_proj'], r: 8, alpha: 16, overrides });
    } catch (error) {
      if (error instanceof MftError) return error;
    }
    throw new Error('expected an MftError');
  };
  const typo = failure({ 'mlp.down_prj': { r: 16 } });
  expect(typo).toMatchObject({ code: 'model.unknown-module', exit: 2 });
  expect(typo.message).toContain('"mlp.down_prj" matches no module with an adapter');
  expect(typo.suggestions[0]).toBe('Did you mean mlp.down_proj?');
  const other = failure({ up_proj: { r: 16 } });
  expect(other.message).toContain('"up_proj" is in the model, but has no adapter');
  const never = failure({ q_proj: { r: 4 }, '0.self_attn.q_proj': { r: 2 } });
  expect(never.code).toBe('config.value');
  expect(never.message).toContain('r of "0.self_attn.q_proj" never counts: "q_proj" above it');
  expect(failure({ q_proj: { r: 0 } }).code).toBe('model.bad-rank');
});

test('adapters in few words', () => {
  const lines = (request: Partial<LoraRequest>) =>
    summarizeAdapters(resolveLoraTargets(decoder, { r: 8, alpha: 16, ...request }));
  expect(lines({ modules: ['q_proj', 'v_proj'] })).toEqual(['3 × q_proj,v_proj r 8 alpha 16']);
  expect(
    lines({
      modules: ['q_proj', 'mlp.down_proj', '1.self_attn.k_proj'],
      rslora: true,
      overrides: { down_proj: { r: 16, alpha: 0.1 } },
    }),
  ).toEqual([
    '3 × q_proj r 8 alpha 16 rslora',
    '3 × down_proj r 16 alpha 0.1 rslora',
    '1 × k_proj r 8 alpha 16 rslora',
  ]);
  // Two modules of GPT-2 have the same last name.
  expect(summarizeAdapters(resolve(['c_proj', 'c_fc'], 4, 8))).toEqual([
    '2 × attn.c_proj,c_fc,mlp.c_proj r 4 alpha 8',
  ]);
});
