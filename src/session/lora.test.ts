import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { resolveConfig, setLayer, yamlLayer } from '../config/index.ts';
import { inspectModel, openAdapter } from '../model/index.ts';
import { planLora } from './lora.ts';

const home = await mkdtemp(join(tmpdir(), 'mft-lora-'));
afterAll(() => rm(home, { recursive: true, force: true }));
const fixture = join(import.meta.dirname, '../../test/fixtures/hf-qwen2');
const { config: model } = await inspectModel(join(fixture, 'single-f32'), { home });
const adapter = join(home, 'adapter');
await cp(join(fixture, 'peft'), adapter, { recursive: true });
const file = join(adapter, 'adapter_config.json');
await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), lora_dropout: 0.25 }));
/** r 3 and alpha 6, but r 2 and alpha 5 in layers.0.self_attn.v_proj. */
const init = await openAdapter(adapter, model, join(home, 'cache'));

const goOn = (...settings: string[]) =>
  planLora(model, resolveConfig([setLayer([`lora.init_adapter=${adapter}`, ...settings])]), init);

function failure(...settings: string[]): MftError {
  try {
    goOn(...settings);
  } catch (error) {
    if (error instanceof MftError) return error;
    throw error;
  }
  throw new Error('expected an MftError');
}

test('an adapter says rank, alpha, modules and dropout', () => {
  const plan = goOn();
  expect(plan.init).toBe(init);
  expect(plan.targets).toBe(init.targets);
  expect(plan.dropout).toBe(0.25);
  expect(goOn('lora.dropout=0').dropout).toBe(0);
});

test('what is said beside it has to agree', () => {
  const targets = `lora.targets=[${init.targets.map(({ module }) => module).join(',')}]`;
  const override = 'lora.overrides={0.self_attn.v_proj: {r: 2, alpha: 5}}';
  expect(goOn(targets, 'lora.r=3', 'lora.alpha=6', 'lora.rslora=false', override).targets).toBe(init.targets);
  expect(goOn('lora.overrides={0.self_attn.v_proj: {r: 2}}').targets).toBe(init.targets);
  for (const [settings, parts] of [
    [['lora.r=3'], [/r 3 .*layers\.0\.self_attn\.v_proj/, /r 2 there/]],
    [
      ['lora.r=8', override],
      [/r 8 .*layers\.0\.self_attn\.q_proj/, /r 3 there/],
    ],
    [
      ['lora.alpha=7', override],
      [/alpha 7/, /alpha 6 there/],
    ],
    [['lora.overrides={v_proj: {alpha: 5}}'], [/alpha 5 .*layers\.1\.self_attn\.v_proj/, /alpha 6 there/]],
    [['lora.rslora=true'], [/lora\.rslora: true/, /use_rslora false/]],
    [['lora.targets=q_proj'], [/lora\.targets: q_proj/, /an adapter on model\.layers\.\d\.\S+ too/]],
    [
      ['lora.targets=all-linear'],
      [/lora\.targets: all-linear/, /nothing on model\.layers\.0\.self_attn\.k_proj/],
    ],
  ] as const) {
    const error = failure(...settings);
    expect(error.code).toBe('config.adapter');
    expect(error.message).toContain(adapter);
    for (const part of parts) expect(error.message).toMatch(part);
  }
});

test.each([
  ['qwen2.5-lora.yaml', 'qwen2', 4],
  ['smollm2-lora.yaml', 'llama', 4],
  ['gemma3-lora.yaml', 'gemma3', 7],
  ['gpt2-lora.yaml', 'gpt2', 2],
])('the recipe %s fits its family', async (name, family, modules) => {
  const config = resolveConfig([yamlLayer(join(import.meta.dirname, '../../configs', name))]);
  const folder = join(fixture, '..', `hf-${family}`, 'single-f32');
  const { config: of } = await inspectModel(folder, { home });
  const { targets } = planLora(of, config, undefined);
  expect(targets).toHaveLength(modules * of.numLayers);
  expect(targets.every(({ r }) => r === 8)).toBe(true);
});

test('without one, adapters are as configured', () => {
  const config = resolveConfig([setLayer(['lora.targets=q_proj', 'lora.r=4', 'lora.rslora=true'])]);
  expect(planLora(model, config, undefined).targets[0]).toMatchObject({ r: 4, alpha: 16, rslora: true });
  expect(planLora(model, resolveConfig([setLayer(['method=full'])]), undefined).targets).toEqual([]);
});
