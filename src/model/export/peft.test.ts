import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bitsOf,
  FIXTURES,
  failureOf,
  readAll,
  temporaryFolder,
  writeResult,
} from '../../../test/support/model-folders.ts';
import { MftError } from '../../base/errors.ts';
import { importSource } from '../import.ts';
import { type JsonObject, parseJsonObject } from '../json.ts';
import { openPack } from '../pack/read.ts';
import type { AdapterInit, ModelPack } from '../types.ts';
import { exportResult, openAdapter } from './index.ts';
import { parsePeftConfig } from './peft-config.ts';
import { openResult } from './result.ts';

const dir = await temporaryFolder();
const cache = join(dir, 'cache');
let serial = 0;
const fresh = () => join(dir, `out-${serial++}`);
const json = async (path: string) => parseJsonObject(await readFile(path, 'utf8'), path);

async function packOf(family: string): Promise<ModelPack> {
  const target = fresh();
  await importSource(join(FIXTURES, '..', `hf-${family}`, 'single-f32'), target, { tokenizer: 'none' });
  return openPack(target);
}

/** Fixtures of three families with separate projections; adapters saved by peft, with patterns. */
const families = ['qwen2', 'llama', 'gemma3'] as const;

async function asResult(adapter: AdapterInit): Promise<string> {
  const result = fresh();
  await mkdir(result);
  await cp(adapter.file.path, join(result, 'adapter.seg'));
  await writeResult(result, [adapter.segment], adapter.targets, () => 'adapter.seg');
  return result;
}

test.each(families)('%s: an adapter of peft is read, written and read to the same bits', async (family) => {
  const pack = await packOf(family);
  const peft = join(FIXTURES, '..', `hf-${family}`, 'peft');
  const adapter = await openAdapter(peft, pack.config, cache);
  const theirs = await json(join(peft, 'adapter_config.json'));
  expect(new Set(adapter.targets.map(({ r }) => r))).toEqual(
    new Set([theirs.r, ...Object.values(theirs.rank_pattern as JsonObject)]),
  );
  const out = fresh();
  await exportResult(await openResult(await asResult(adapter)), pack, { out, format: 'peft', dropout: 0.1 });
  expect(bitsOf(await readAll(join(out, 'adapter_model.safetensors')))).toEqual(
    bitsOf(await readAll(join(peft, 'adapter_model.safetensors'))),
  );
  const back = await openAdapter(out, pack.config, cache);
  expect(back.targets).toEqual(adapter.targets);
  expect(back.file).toEqual(adapter.file);
  expect(back.dropout).toBe(0.1);
});

const qwen2 = await packOf('qwen2');
const peft = join(FIXTURES, '../hf-qwen2/peft');
const theirs = await json(join(peft, 'adapter_config.json'));

/** The fixture with other fields in its configuration. */
async function attempt(change: JsonObject): Promise<AdapterInit> {
  const copy = fresh();
  await cp(peft, copy, { recursive: true });
  await writeFile(join(copy, 'adapter_config.json'), JSON.stringify({ ...theirs, ...change }));
  return openAdapter(copy, qwen2.config, cache);
}

test('separate projections are rows of the fused weight', async () => {
  const { targets } = await attempt({});
  const { numHeads, numKvHeads, headDim } = qwen2.config;
  const [q, k] = [numHeads * headDim, numKvHeads * headDim];
  const rows = (module: string) => {
    const { tensor, rowBegin, rowEnd } = targets.find((target) => target.module === module) ?? {};
    return [tensor, rowBegin, rowEnd];
  };
  expect(rows('model.layers.1.self_attn.q_proj')).toEqual(['blocks.1.attn.qkv.weight', 0, q]);
  expect(rows('model.layers.1.self_attn.k_proj')).toEqual(['blocks.1.attn.qkv.weight', q, q + k]);
  expect(rows('model.layers.1.self_attn.v_proj')).toEqual(['blocks.1.attn.qkv.weight', q + k, q + 2 * k]);
  const inner = qwen2.config.intermediateSize;
  expect(rows('model.layers.1.mlp.gate_proj')).toEqual(['blocks.1.mlp.up.weight', 0, inner]);
  expect(rows('model.layers.1.mlp.up_proj')).toEqual(['blocks.1.mlp.up.weight', inner, 2 * inner]);
});

test('rank-stabilized adapters keep alpha and say so when written', async () => {
  const adapter = await attempt({ use_rslora: true });
  expect(adapter.targets.every(({ rslora }) => rslora)).toBe(true);
  const result = await asResult(adapter);
  const out = fresh();
  await exportResult(await openResult(result), qwen2, { out, format: 'peft' });
  expect(await json(join(out, 'adapter_config.json'))).toMatchObject({
    use_rslora: true,
    lora_alpha: 6,
    r: 3,
    rank_pattern: { '0.self_attn.v_proj': 2 },
    alpha_pattern: { '0.self_attn.v_proj': 5 },
  });
  const mixed = adapter.targets.map((target, i) => ({ ...target, rslora: i > 0, toJSON: () => ({}) }));
  await writeResult(result, [adapter.segment], mixed, () => 'adapter.seg');
  const error = await failureOf(
    exportResult(await openResult(result), qwen2, { out: fresh(), format: 'peft' }),
  );
  expect(error.code).toBe('export.mixed-rslora');
});

test('keys of patterns are peft names or expressions, and the first counts', async () => {
  const at = async (alpha_pattern: JsonObject) =>
    (await attempt({ alpha_pattern })).targets.map(({ module, alpha }) => [
      module.replace('model.layers.', ''),
      alpha,
    ]);
  const alphas = await at({ '.*\\.0\\..*': 9, 'self_attn.(q|k)_proj': 7, q_proj: 1 });
  expect(alphas).toContainEqual(['0.self_attn.q_proj', 9]);
  expect(alphas).toContainEqual(['1.self_attn.q_proj', 7]);
  expect(alphas).toContainEqual(['1.self_attn.k_proj', 7]);
  expect(alphas).toContainEqual(['1.self_attn.v_proj', 6]);
  expect((await failureOf(at({ '(?P<x>q)_proj': 9 }))).code).toBe('model.bad-pattern');
});

test('target_modules is read in every form that peft saves, and has to agree with the tensors', async () => {
  const all = theirs.target_modules as string[];
  const { targets } = await attempt({});
  for (const target_modules of [
    null,
    targets.map(({ module }) => module),
    '.*\\.(0\\.self_attn\\.[qv]_proj|1\\.(self_attn|mlp)\\.\\w+)',
    '(?P<python>.*)', // not to be read here: the tensors say it
  ])
    expect((await attempt({ target_modules })).targets).toEqual(targets);
  expect(
    (
      await attempt({
        target_modules: ['q_proj', 'v_proj', '1.self_attn.k_proj', '1.self_attn.o_proj', ...all],
      })
    ).targets,
  ).toEqual(targets);
  for (const [change, message] of [
    [{ target_modules: 'all-linear' }, /means model\.layers\.0\.self_attn\.k_proj, which has no tensors/],
    [{ target_modules: all.slice(1) }, /layers\.0\.self_attn\.q_proj has an adapter, but target_modules/],
    [{ exclude_modules: ['v_proj'] }, /0\.self_attn\.v_proj has an adapter, but/],
    [{ exclude_modules: '.*down_proj' }, /1\.mlp\.down_proj has an adapter, but/],
    [{ layers_to_transform: [1] }, /0\.self_attn\.q_proj has an adapter, but/],
    [{ layers_to_transform: 0, layers_pattern: 'layers' }, /1\.self_attn\.q_proj has an adapter, but/],
    [{ target_modules: [3] }, /entry that is no name/],
    [{ target_modules: { q_proj: 1 } }, /neither a list nor a text/],
    [{ layers_to_transform: ['0'] }, /no list of layers/],
  ] as const)
    expect((await failureOf(attempt(change))).message).toMatch(message);
  expect((await attempt({ layers_to_transform: [0, 1], layers_pattern: ['layers'] })).targets).toEqual(
    targets,
  );
});

test('a folder without safetensors, or of another kind, is told apart', async () => {
  const copy = fresh();
  await mkdir(copy);
  await cp(join(peft, 'adapter_config.json'), join(copy, 'adapter_config.json'));
  const missing = await failureOf(openAdapter(copy, qwen2.config, cache));
  expect(missing.message).toMatch(/adapter_model\.safetensors: there is no such file/);
  const model = await failureOf(openAdapter(join(peft, '../single-f32'), qwen2.config, cache));
  expect(model.suggestions[0]).toBe('It is a whole model: give it with --model.');
  const llama = await packOf('llama');
  const other = await failureOf(openAdapter(peft, llama.config, cache));
  expect(other.message).toMatch(/lora_A of model\.layers\.0\.self_attn\.q_proj has shape/);
  expect(other.suggestions).toEqual(['The adapter was trained on single-f32: check that --model is that.']);
  for (const error of [missing, model, other]) expect(error.code).toBe('model.bad-adapter');
});

test.each([
  [{ lora_bias: true }, /lora_bias = true/],
  [{ use_dora: true }, /use_dora = true/],
  [{ use_qalora: true }, /use_qalora = true/],
  [{ init_lora_weights: 'olora' }, /init_lora_weights "olora"/],
  [{ init_lora_weights: 'mica' }, /init_lora_weights "mica"/],
  [{ layer_replication: [[0, 1]] }, /layer_replication/],
  [{ target_parameters: ['x'] }, /target_parameters/],
  [{ alora_invocation_tokens: [1] }, /alora_invocation_tokens/],
  [{ megatron_config: { a: 1 } }, /megatron_config/],
  [{ bias: 'lora_only' }, /bias "lora_only"/],
  [{ use_rslora: 'yes' }, /use_rslora "yes"/],
  [{ lora_dropout: 1 }, /lora_dropout 1/],
  [{ rank_pattern: ['q_proj'] }, /rank_pattern is not a map/],
  [{ something_new: 'x' }, /something_new/],
  [{ task_type: 'SEQ_CLS' }, /"SEQ_CLS"/],
])('refused by name: %j', async (change, message) => {
  const error = await failureOf(attempt(change));
  expect(error.message).toMatch(message);
  expect(error.code).toBe('model.bad-adapter');
});

test('whatever a configuration says, it is understood or refused with words', () => {
  const fields = Object.keys(theirs);
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('(a+)+$', 'q_proj', '.*', '[', 'all-linear', '__proto__'),
  );
  const value = fc.oneof(fc.jsonValue(), text, fc.array(text), fc.dictionary(text, fc.jsonValue()));
  let understood = 0;
  fc.assert(
    fc.property(fc.constantFrom(...fields), value, (field, value) => {
      try {
        const parsed = parsePeftConfig({ ...theirs, [field]: value }, 'adapter_config.json');
        parsed.isTargeted?.(['model.layers.0.self_attn.q_proj']);
        understood += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(MftError);
      }
    }),
    { numRuns: 500 },
  );
  expect(understood).toBeGreaterThan(10);
});
