/** An adapter's way through the command line: trained with overrides, exported, measured, trained on. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createModel } from '../../src/model/index.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { mftProcess, SIZES, type Workbench, workbench } from '../support/training.ts';

let rig: Rig;
let bench: Workbench;
beforeAll(async () => {
  [rig, bench] = await Promise.all([startRig(), workbench()]);
  // 129 tokens: four rows of 32 and the last one's target. Every step and every evaluation sees the same four.
  writeFileSync(bench.data, readFileSync(bench.data, 'utf8').slice(0, 574));
  const shared = { home: bench.home, hidden: 32, layers: 2, heads: 4, positions: 64, seed: 5 };
  const { tokenizer } = SIZES;
  await createModel('qwen', { ...shared, family: 'qwen2', kvHeads: 2, inner: 48, tokenizer });
  await createModel('llama', { ...shared, family: 'llama', kvHeads: 1, inner: 40, tokenizer });
  await createModel('gemma', {
    ...shared,
    family: 'gemma3_text',
    kvHeads: 2,
    headDim: 16,
    inner: 40,
    tokenizer,
  });
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

const SETTINGS = [
  'train.steps=3',
  'train.batch_size=4',
  'train.accumulation=1',
  'train.learning_rate=0.02',
  'train.warmup_steps=0',
  'data.sequence_length=32',
  'data.shuffle=false',
].flatMap((setting) => ['--set', setting]);

/** A line of --json; what lines of other types lack is missing. */
interface Line {
  kind?: string;
  export?: string;
  plan?: { adapters: string[]; storage?: { type: string }[] };
  /** Of an event; an evaluation's answer has the loss itself. */
  data?: { step: number; loss: number; tokens: number };
  loss?: number;
}
type Lines = Line[];

async function mft(...args: string[]): Promise<Lines> {
  const result = await mftProcess(bench, rig, [...args, '--json']);
  const lines = String(result.stdout).trim();
  if (result.exitCode !== 0) throw new Error(lines.split('\n').at(-1));
  return args[0] === 'train' && !args.includes('--dry-run')
    ? lines.split('\n').map((line) => JSON.parse(line))
    : [JSON.parse(lines)];
}

/** Trains on the text, and evaluates on it at the end. */
function train(...args: string[]): Promise<Lines> {
  const { data } = bench;
  return mft('train', '--data', data, '--set', `data.validation=${data}`, ...SETTINGS, ...args);
}

const ofKind = (wanted: string, lines: Lines) =>
  lines.flatMap(({ kind, data }) => (kind === wanted && data ? [data] : []));
const losses = (lines: Lines) => ofKind('step', lines).map(({ loss }) => loss);
const exportOf = (lines: Lines) => lines.at(-1)?.export ?? '';

describe.each([
  ['small', 'c_attn,attn.c_proj,c_fc', 'attn.c_proj', '2 × c_attn,c_fc r 4 alpha 8 rslora'],
  ['qwen', 'q_proj,v_proj,down_proj', 'mlp.down_proj', '2 × q_proj,v_proj r 4 alpha 8 rslora'],
  [
    'llama',
    'all-linear',
    'k_proj',
    '2 × q_proj,v_proj,o_proj,gate_proj,up_proj,down_proj r 4 alpha 8 rslora',
  ],
  ['gemma', 'q_proj,k_proj,gate_proj', '1.mlp.gate_proj', '2 × q_proj,k_proj r 4 alpha 8 rslora'],
])('%s', (model, targets, override, summary) => {
  test('a trained adapter is exported, measured and trained on from where it was', async () => {
    const settings = ['lora.r=4', 'lora.alpha=8', 'lora.rslora=true', `lora.overrides.${override}.r=6`];
    const lora = ['--targets', targets, ...settings.flatMap((setting) => ['--set', setting])];
    const first = await train('--model', model, '--name', `first-${model}`, ...lora);
    expect(first[0]?.plan?.adapters[0]).toBe(summary);
    const measured = ofKind('evaluation', first).at(-1);
    expect(measured).toMatchObject({ step: 3, tokens: 4 * 32 });
    const final = measured?.loss ?? Number.NaN;

    const folder = exportOf(first);
    const peft = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    expect(peft).toMatchObject({ use_rslora: true, r: 4, lora_alpha: 8, alpha_pattern: {} });
    expect(Object.values(peft.rank_pattern)).toEqual([6]);

    const [evaluated] = await mft(
      ...['eval', '--model', model, '--adapter', folder, '--data', bench.data],
      ...['--sequence-length', '32', '--batch-size', '4'],
    );
    expect(evaluated).toMatchObject({ loss: final, tokens: 4 * 32, sequence_length: 32 });

    const write = ['generate', '--adapter', `first-${model}`, '--prompt', 'Call me', '--temperature', '0'];
    const [written] = await mft(...write, '--max-tokens', '4');
    expect(written).toMatchObject({ samples: [{ prompt: 'Call me', tokens: 4 }] });

    const second = await train('--model', model, '--init-adapter', folder);
    expect(second[0]?.plan?.adapters).toEqual(first[0]?.plan?.adapters);
    expect(Math.abs((losses(second)[0] ?? 0) - final)).toBeLessThan(1e-6);
    expect(Math.abs((losses(first)[0] ?? 0) - final)).toBeGreaterThan(1e-2);
    // By the run's id the model need not be named, and it is the same adapter.
    const third = await train('--init-adapter', `first-${model}`);
    expect(losses(third)).toEqual(losses(second));
    const again = JSON.parse(readFileSync(join(exportOf(second), 'adapter_config.json'), 'utf8'));
    expect(again).toEqual(peft);
  }, 180_000);
});

describe('numeric types', () => {
  /** A Hugging Face folder with its tokenizer: what the first training of Qwen2 made, merged. */
  let folder: string;
  beforeAll(async () => {
    folder = join(bench.home, 'merged');
    await mft('runs', 'pull', 'first-qwen', '--out', folder, '--format', 'hf');
  });

  test('a dry run says what is trained, and imports nothing', async () => {
    const models = await mft('model', 'ls');
    const [shown] = await mft(
      ...['train', '--model', folder, '--dry-run', ...SETTINGS, '--targets', 'q_proj,v_proj'],
      ...['--dtype', 'int4', '--compute', 'bf16'],
    );
    // Per layer rank 8: q 32 -> 32, v 32 -> 16.
    expect(shown).toMatchObject({
      compute: 'bf16',
      model: { dtype: 'int4' },
      plan: {
        adapters: ['2 × q_proj,v_proj r 8 alpha 16'],
        trainable_parameters: 2 * 8 * (64 + 48),
        compute: 'bf16',
      },
    });
    expect(await mft('model', 'ls')).toEqual(models);
  });

  test('base weights are stored as asked, and arithmetic is as asked; both change the numbers, a little', async () => {
    const run = async (...args: string[]) => losses(await train('--model', folder, ...args))[0] ?? Number.NaN;
    const plain = await run();
    for (const args of [
      ['--dtype', 'int8'],
      ['--compute', 'bf16'],
    ]) {
      const other = await run(...args);
      expect(other).not.toBe(plain);
      expect(Math.abs(other - plain)).toBeLessThan(0.05);
    }
    const [newest, second] = bench.store.list();
    expect((await mft('runs', 'show', newest?.id ?? ''))[0]?.plan).toMatchObject({ compute: 'bf16' });
    const stored = (await mft('runs', 'show', second?.id ?? ''))[0]?.plan?.storage?.map(({ type }) => type);
    expect(stored).toEqual(['int8', 'f32']);
  });

  test('what does not go together is refused before anything is pushed', async () => {
    const { data } = bench;
    const refusal = async (...args: string[]) => {
      const result = await mftProcess(bench, rig, ['train', '--data', data, ...SETTINGS, ...args, '--json']);
      expect(result.exitCode).toBe(2);
      return JSON.parse(String(result.stdout)).error;
    };
    const runs = bench.store.list().length;
    await mft('model', 'import', folder, '--name', 'four-bits', '--dtype', 'int4');
    expect(await refusal('--model', 'four-bits', '--method', 'full')).toMatchObject({
      code: 'model.not-trainable',
      message: expect.stringContaining('four-bits is stored as int8 and int4'),
    });
    expect(await refusal('--model', 'four-bits', '--method', 'full', '--dry-run')).toMatchObject({
      code: 'model.not-trainable',
    });
    expect(await refusal('--model', folder, '--method', 'full', '--dtype', 'int8')).toMatchObject({
      code: 'config.value',
    });
    expect(await refusal('--model', 'four-bits', '--dtype', 'f32')).toMatchObject({
      code: 'model.stored-otherwise',
    });
    expect(await refusal('--init-adapter', 'first-qwen', '--set', 'lora.r=5')).toMatchObject({
      code: 'config.adapter',
      message: expect.stringMatching(/r 5 .*r 4 there/),
    });
    expect(await refusal('--init-adapter', 'first-qwen', '--method', 'full')).toMatchObject({
      code: 'config.value',
    });
    expect(bench.store.list()).toHaveLength(runs);
  });
});
