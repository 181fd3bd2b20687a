/**
 * Runs the recipes of configs/paper/ for some steps on a virtual phone, at the true sizes of models, rows and batches (random
 * weights, the models' own tokenizers), and prints a table:
 *
 *     node scripts/paper.ts [--steps 5] [--text FILE] [--mmlu DIR] [--dtype bf16] [RECIPE ...]
 *
 * RECIPE: the beginning of a file's name; without any: all. FILE: running text, such as WikiText-2's. DIR: MMLU as published, or
 * its folder with test/ alone. Recipes whose data are not given are left out, and that is said. Weights that
 * are only adapted are stored as --dtype. GPT-2 medium needs some 6 GB for full fine-tuning.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes, formatDuration } from '../src/base/units.ts';
import { createModel, STORAGE_TYPES } from '../src/model/index.ts';
import { startRig } from '../test/support/rig.ts';
import { mftProcess, workbench } from '../test/support/training.ts';
import { modelFolder } from '../test/tokenizer/models.ts';

/** Beginning of a recipe's name; published size; its tokenizer; vocabulary, where the tokenizer has more. */
const MODELS = [
  ['gpt2-small', 'gpt2', 'tokenizer-gpt2', undefined],
  ['gpt2-medium', 'gpt2-medium', 'tokenizer-gpt2', undefined],
  ['gemma3', 'gemma-3-270m', 'tokenizer-gemma3', 262_144],
  ['gemma3', 'gemma-3-1b', 'tokenizer-gemma3', 262_144],
  ['qwen2.5-0.5b', 'qwen2.5-0.5b', 'tokenizer-qwen2_5', undefined],
] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '5' },
    text: { type: 'string' },
    mmlu: { type: 'string' },
    dtype: { type: 'string', default: 'bf16' },
  },
});
const dtype = STORAGE_TYPES.find((type) => type === values.dtype);
if (dtype === undefined) throw new Error(`--dtype is one of ${STORAGE_TYPES.join(', ')}`);

const folder = join(import.meta.dirname, '../configs/paper');
const recipes = readdirSync(folder)
  .filter((name) => positionals.length === 0 || positionals.some((start) => name.startsWith(start)))
  .sort();
const bench = await workbench();
const rig = await startRig({ make: 'emulated' });

async function mft(...args: string[]): Promise<string> {
  const { stdout, exitCode } = await mftProcess(bench, rig, [...args, '--json']);
  if (exitCode !== 0) throw new Error(`mft ${args.join(' ')}: ${String(stdout).trim().split('\n').at(-1)}`);
  return String(stdout).trim();
}

/** Undefined: it is not given. */
async function dataOf(recipe: string): Promise<string | undefined> {
  if (recipe.includes('wikitext2')) return values.text && resolve(values.text);
  if (!recipe.includes('mmlu') || values.mmlu === undefined) return undefined;
  const out = join(bench.home, 'mmlu.jsonl');
  const split = existsSync(join(values.mmlu, 'val')) ? 'validation' : 'test';
  if (!existsSync(out))
    await mft('data', 'convert', resolve(values.mmlu), '--task', 'mmlu', '--split', split, '--out', out);
  return out;
}

async function run(recipe: string, size: string, data: string): Promise<void> {
  const file = join(folder, recipe);
  const full = /^method: full$/m.test(readFileSync(file, 'utf8'));
  const model = `${size}-${full ? 'f32' : dtype}`;
  const [, , tokenizer = '', vocab] = MODELS.find(([, name]) => name === size) ?? [];
  if (!existsSync(join(bench.home, 'models', model)))
    await createModel(model, {
      ...{ home: bench.home, size, vocab, seed: 1, dtype: full ? 'f32' : dtype },
      tokenizer: await modelFolder(tokenizer),
    });
  const few = ['--steps', values.steps, '--set', 'train.eval_max_batches=1', '--set', 'train.result=last'];
  const began = Date.now();
  const output = await mft('train', '--model', model, '--data', data, '--config', file, ...few);
  const lines = output.split('\n').map((line) => JSON.parse(line));
  const steps = lines.flatMap((line) => (line.kind === 'step' ? [line.data] : []));
  const end = lines.at(-1);
  const seconds = steps.reduce((sum, step) => sum + step.duration_us, 0) / 1e6;
  const losses = `${steps[0].loss.toFixed(3)} -> ${steps.at(-1).loss.toFixed(3)}`;
  console.log(
    [
      ...[basename(recipe, '.yaml').padEnd(28), model.padEnd(18), `${end.outcome}, ${steps.length} steps`],
      ...[`${(seconds / steps.length).toFixed(2)} s a step`, `${steps[0].tokens} tokens`, `loss ${losses}`],
      ...[`peak ${formatBytes(end.peak_rss_bytes)}`, `in all ${formatDuration(Date.now() - began)}`],
    ].join('  '),
  );
  await mft('runs', 'rm', end.run, '--phone');
}

try {
  for (const recipe of recipes) {
    const data = await dataOf(recipe);
    if (data === undefined) console.log(`${basename(recipe, '.yaml').padEnd(28)} left out: no data given`);
    else for (const [start, size] of MODELS) if (recipe.startsWith(start)) await run(recipe, size, data);
  }
} finally {
  await rig.stop();
  bench.remove();
}
