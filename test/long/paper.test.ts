/**
 * Every recipe of configs/paper/ through the command line on a virtual phone: the rows, batches and adapters of the recipe, the
 * tokenizer of its models, data in the form that the benchmark was published in; only the models are narrow. The data
 * are made here. At the true sizes: scripts/paper.ts.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readDataset } from '../../scripts/text.ts';
import { createModel } from '../../src/model/index.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { mftProcess, type Workbench, workbench } from '../support/training.ts';
import { modelFolder } from '../tokenizer/models.ts';

const STEPS = 5;
const QUESTIONS = 160;
const folder = join(import.meta.dirname, '../../configs/paper');
const recipes = readdirSync(folder).sort();

let bench: Workbench;
let rig: Rig;
beforeAll(async () => {
  bench = await workbench();
  rig = await startRig({ make: 'emulated' });
  const shape = { home: bench.home, hidden: 16, layers: 2, heads: 2, inner: 32, positions: 1024, seed: 7 };
  const kv = { kvHeads: 1, headDim: 8 };
  const tokenizer = await modelFolder('tokenizer-gpt2');
  await createModel('gpt2', { ...shape, family: 'gpt2', tokenizer });
  const qwen = await modelFolder('tokenizer-qwen2_5');
  await createModel('qwen2.5', { ...shape, ...kv, family: 'qwen2', tokenizer: qwen });
  const gemma = await modelFolder('tokenizer-gemma3');
  await createModel('gemma3', { ...shape, ...kv, family: 'gemma3_text', tokenizer: gemma, vocab: 262_144 });
  for (const [name, text] of Object.entries(published())) {
    const file = join(bench.home, 'data', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

/** Small benchmarks as their authors published them. */
function published(): Record<string, string> {
  const all = Array.from({ length: QUESTIONS }, (_, i) => i);
  const json = (record: (i: number) => object) => all.map((i) => `${JSON.stringify(record(i))}\n`).join('');
  const arc = json((i) => ({
    id: String(i),
    question: {
      stem: `How much is ${i} and 2?`,
      choices: ['A', 'B', 'C', 'D'].map((label, at) => ({ text: String(i + at), label })),
    },
    answerKey: 'C',
  }));
  return {
    'wiki.valid.tokens': readDataset('moby-dick').slice(60_000, 80_000),
    'mmlu/val/arithmetic_val.csv': all
      .map((i) => `How much is ${i} and 1?,${i},${i + 1},${i + 2},${i + 3},B\n`)
      .join(''),
    'piqa/train.jsonl': json((i) => ({
      goal: `Count to ${i}.`,
      sol1: 'Say the numbers.',
      sol2: 'Stay silent.',
    })),
    'piqa/train-labels.lst': all.map(() => '0\n').join(''),
    'ARC/ARC-Easy/ARC-Easy-Train.jsonl': arc,
    'ARC/ARC-Challenge/ARC-Challenge-Train.jsonl': arc,
    'hellaswag/hellaswag_train.jsonl': json((i) => ({
      activity_label: 'Counting',
      ctx_a: `Somebody counts to ${i}.`,
      ctx_b: 'they',
      endings: ['stop.', 'go on.', 'fly away.', 'sleep.'],
      label: i % 4,
    })),
    'QNLI/train.tsv': `index\tquestion\tsentence\tlabel\n${all
      .map((i) => `${i}\tWhat is ${i}?\t${i} is a number.\t${i % 2 ? 'not_entailment' : 'entailment'}\n`)
      .join('')}`,
  };
}

async function mft(...args: string[]): Promise<string> {
  const result = await mftProcess(bench, rig, [...args, '--json']);
  if (result.exitCode !== 0) throw new Error(String(result.stdout).trim().split('\n').at(-1));
  return String(result.stdout).trim();
}

/** Does what the recipe's own comment says to bring its data. */
async function dataOf(recipe: string, comment: string): Promise<{ isText: boolean; flags: string[] }> {
  const command = /^# {3}mft data convert (\S+) (--task \S+ --split \S+) --out (\S+)$/m.exec(comment);
  if (!command) {
    const validation = join(bench.home, 'data/wiki.valid.tokens');
    return { isText: true, flags: ['--data', bench.data, '--set', `data.validation=${validation}`] };
  }
  const [, from = '', flags = '', to = ''] = command;
  const out = join(bench.home, `${recipe}-${to}`);
  await mft('data', 'convert', join(bench.home, 'data', from), ...flags.split(' '), '--out', out);
  return { isText: false, flags: ['--data', out] };
}

test('there is a recipe for each model and task', () => {
  expect(recipes.length).toBe(14);
});

test.each(recipes)(
  '%s',
  async (recipe) => {
    const file = join(folder, recipe);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain(`--config configs/paper/${recipe}`);
    expect(text).toContain('arXiv 2512.08211');
    const said = parse(text);
    const model = /^(gpt2|qwen2\.5|gemma3)/.exec(recipe)?.[0] ?? '';
    const { isText, flags } = await dataOf(recipe, text);
    const output = await mft(
      ...['train', '--model', model, ...flags, '--config', file, '--steps', String(STEPS)],
      ...['--set', 'train.eval_max_batches=1'],
    );
    const lines = output.split('\n').map((line) => JSON.parse(line));
    const ofKind = (kind: string) => lines.flatMap((line) => (line.kind === kind ? [line.data] : []));
    const steps = ofKind('step');
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    for (const { loss, grad_norm } of steps) {
      expect(loss).toBeGreaterThan(0);
      expect(grad_norm).toBeGreaterThan(0);
    }
    expect(ofKind('evaluation')).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ type: 'end', outcome: 'finished', step: STEPS });
    expect(lines.at(-1).export).toBeDefined();

    const rows = said.train.batch_size * said.train.accumulation;
    if (isText) expect(steps[0].tokens).toBe(rows * said.data.sequence_length);
    else {
      // Answers alone are learned: a few tokens a question.
      expect(ofKind('attempt_started')[0]).toMatchObject({
        data_format: 'DATA_FORMAT_PROMPT_COMPLETION',
        truncated_records: 0,
        skipped_records: 0,
      });
      for (const { tokens } of steps) {
        expect(tokens).toBeGreaterThanOrEqual(rows);
        expect(tokens).toBeLessThanOrEqual(rows * 8);
      }
    }
  },
  300_000,
);
