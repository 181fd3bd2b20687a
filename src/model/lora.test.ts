import { expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { gpt2 } from './families/gpt2.ts';
import { adapterSegmentShape, adapterTensorNames, resolveLoraTargets, targetOf } from './lora.ts';
import { canonicalSegments, tensorShape } from './pack/layout.ts';
import type { LoraTarget } from './types.ts';

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
