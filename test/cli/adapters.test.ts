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
  // Four rows of 32 tokens and a rest: every step and every evaluation sees the same four.
  writeFileSync(bench.data, readFileSync(bench.data, 'utf8').slice(0, 600));
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
  plan?: { adapters: string[] };
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
    expect(evaluated?.loss).toBe(final);

    const second = await train('--model', model, '--init-adapter', folder);
    expect(second[0]?.plan?.adapters).toEqual(first[0]?.plan?.adapters);
    expect(Math.abs((losses(second)[0] ?? 0) - final)).toBeLessThan(1e-6);
    expect(Math.abs((losses(first)[0] ?? 0) - final)).toBeGreaterThan(1e-2);
    // By the run's id the model need not be named, and it is the same adapter.
    const third = await train('--init-adapter', `first-${model}`);
    expect(losses(third)).toEqual(losses(second));
    const again = JSON.parse(readFileSync(join(exportOf(second), 'adapter_config.json'), 'utf8'));
    expect(again).toEqual(peft);
  });
});
