/**
 * A real pretrained model end to end: Gemma 3 270M (GGUF, Q4_K_M) is imported and runs on a virtual phone; transformers
 * computes the same from the same dequantised weights.
 *
 *     node scripts/gemma.ts --python PYTHON --wikitext FILE --gsm8k FILE.jsonl --mmlu FOLDER
 *
 * Every part is left out when its data is not named. PYTHON needs torch, transformers, gguf and safetensors. The runtime must
 * have been built (sh scripts/build.sh runtime). ~240 MB are downloaded, 3 GB written, below --folder. Exit code 1 when a bar is
 * missed; the bars are in the lines that are printed.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { benchmarks, writeTaskFile } from '../src/eval/index.ts';
import { type Bench, startBench, Verdict } from './pretrained/bench.ts';
import { gemmaFile } from './pretrained/gemma-package.ts';

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('not a number above 0');
  return value;
}

const options = new Command('gemma')
  .option('--folder <dir>', 'where the model, and what mft makes of it, are kept', 'build/gemma')
  .option('--python <program>', 'a Python with torch, transformers, gguf, safetensors and pip', 'python3')
  .option('--wikitext <file>', 'text of WikiText-2, for perplexity')
  .option('--characters <n>', 'of it', count, 40_000)
  .option('--length <n>', 'tokens in a window', count, 256)
  .option('--gsm8k <file>', 'JSON Lines with question and answer, to train on')
  .option('--steps <n>', 'of the training', count, 40)
  .option('--mmlu <folder>', 'MMLU with dev/ and test/, for multiple choice')
  .option('--subjects <a,b>', 'of MMLU; default: all that are there')
  .option('--limit <n>', 'questions of each subject', count, 8)
  .option('--shots <n>', 'examples before each question', (text) => (text === '0' ? 0 : count(text)), 1)
  .parse()
  .opts<{
    folder: string;
    python: string;
    wikitext?: string;
    characters: number;
    length: number;
    gsm8k?: string;
    steps: number;
    mmlu?: string;
    subjects?: string;
    limit: number;
    shots: number;
  }>();

const folder = resolve(options.folder);
const hf = join(folder, 'hf');
const verdict = new Verdict();

/** The model in f32, exactly what the GGUF says, and as a Hugging Face folder for transformers. */
async function importModel(bench: Bench, file: string): Promise<void> {
  const listed = await bench.mft('model/ls', '--json');
  const names = (JSON.parse(listed.join('\n')) as { models: { name: string }[] }).models.map((m) => m.name);
  if (!names.includes('gemma')) await bench.mft('model/import', file, '--name', 'gemma', '--dtype', 'f32');
  if (!existsSync(hf))
    await bench.mft('model/export', 'gemma', '--format', 'hf', '--dtype', 'f32', '--out', hf);
  const report = JSON.parse(await bench.oracle('gguf_weights.py', file, hf)) as {
    tensors: number;
    values: number;
    types: Record<string, number>;
    largest_difference: number;
  };
  const types = Object.entries(report.types).map(([type, n]) => `${n} ${type}`);
  verdict.row(
    'weights as gguf-py dequantises them',
    true,
    `${report.tensors} tensors (${types.join(', ')}), ${report.values} values`,
  );
}

async function perplexity(bench: Bench, file: string): Promise<void> {
  const text = join(folder, 'wikitext.txt');
  const all = readFileSync(file, 'utf8').slice(0, options.characters);
  writeFileSync(text, all.slice(0, all.lastIndexOf('\n') + 1));
  const length = String(options.length);
  const flags = ['--data', text, '--sequence-length', length, '--batch-size', '2', '--json'];
  const lines = await bench.mft('eval', '--model', 'gemma', ...flags);
  const ours = JSON.parse(lines.join('\n')) as { perplexity: number; tokens: number };
  const theirs = JSON.parse(await bench.oracle('perplexity.py', hf, text, '--length', length)) as typeof ours;
  const apart = Math.abs(ours.perplexity / theirs.perplexity - 1);
  verdict.row('perplexity, mft', undefined, `${ours.perplexity.toFixed(4)} of ${ours.tokens} tokens`);
  verdict.row(
    'perplexity, transformers',
    ours.tokens === theirs.tokens,
    `${theirs.perplexity.toFixed(4)} of ${theirs.tokens} tokens`,
  );
  verdict.row('they differ by at most 0.5 %', apart <= 0.005, `${(100 * apart).toFixed(5)} %`);
}

interface TrainLine {
  type: string;
  kind?: string;
  data?: { step: number; loss: number };
}

async function training(bench: Bench, file: string): Promise<void> {
  const data = join(folder, 'gsm8k.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n');
  writeFileSync(data, `${lines.slice(0, 700).join('\n')}\n`);
  const settings = {
    'train.steps': options.steps,
    'train.batch_size': 2,
    'train.accumulation': 1,
    'train.learning_rate': 2e-4,
    'train.warmup_steps': 2,
    'train.eval_every': Math.max(1, Math.floor(options.steps / 4)),
    'train.eval_max_batches': 10,
    'train.checkpoint_every': options.steps,
    'lora.r': 8,
    'lora.alpha': 32,
    'data.sequence_length': 256,
    'data.fields.prompt': 'question',
    'data.fields.completion': 'answer',
  };
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const printed = await bench.mft('train', '--model', 'gemma', '--data', data, ...set, '--json');
  const events = printed.map((line) => JSON.parse(line) as TrainLine).filter(({ type }) => type === 'event');
  const of = (kind: string) =>
    events.flatMap((event) => (event.kind === kind && event.data ? [event.data] : []));
  const losses = of('step').map(({ loss }) => loss);
  const validations = of('evaluation');
  verdict.row(
    `LoRA on GSM8K, ${options.steps} steps`,
    losses.length === options.steps,
    `loss ${losses[0]?.toFixed(4)} at first, ${losses.at(-1)?.toFixed(4)} at last`,
  );
  const shown = validations.map(({ step, loss }) => `${loss.toFixed(4)} (${step})`);
  const first = validations[0]?.loss ?? Number.NaN;
  const falling = validations.slice(1).every(({ loss }) => loss < first);
  verdict.row('its validation loss falls', falling && validations.length > 1, shown.join(', '));
}

interface Scored {
  log_likelihoods: number[];
  predicted: number;
  answer: number;
}

async function multipleChoice(bench: Bench, path: string): Promise<void> {
  const { subjects, limit, shots } = options;
  const out = join(folder, 'mmlu-mft.jsonl');
  const task = [
    '--task',
    'mmlu',
    '--data',
    path,
    ...(subjects === undefined ? [] : ['--subjects', subjects]),
  ];
  const size = ['--limit', String(limit), '--shots', String(shots)];
  await rm(out, { force: true });
  await bench.mft('eval', '--model', 'gemma', ...task, ...size, '--out', out, '--json');
  const mmlu = benchmarks.get('mmlu');
  if (!mmlu) throw new Error('mft knows no MMLU');
  const questions = join(folder, 'mmlu-questions.jsonl');
  await writeTaskFile({ benchmark: mmlu, path, shots, limit, subjects: subjects?.split(',') }, questions);
  const ours = scored(readFileSync(out, 'utf8'));
  const theirs = scored(await bench.oracle('choices.py', hf, questions));
  writeFileSync(
    join(folder, 'mmlu-transformers.jsonl'),
    theirs.map((question) => `${JSON.stringify(question)}\n`).join(''),
  );
  const same = ours.filter(({ predicted }, i) => predicted === theirs[i]?.predicted).length;
  const apart = ours.flatMap(({ log_likelihoods }, i) =>
    log_likelihoods.map((value, choice) =>
      Math.abs(value - (theirs[i]?.log_likelihoods[choice] ?? Number.NaN)),
    ),
  );
  const right = (list: Scored[]) => list.filter(({ predicted, answer }) => predicted === answer).length;
  verdict.row(
    `MMLU, ${shots} shot${shots === 1 ? '' : 's'}: the same choice is made`,
    ours.length === theirs.length && same === ours.length,
    `${same} of ${theirs.length} questions (right: ${right(ours)} and ${right(theirs)})`,
  );
  const largest = apart.reduce((a, b) => Math.max(a, b), 0);
  verdict.row(
    'log-likelihoods agree within 1e-3',
    apart.length > 0 && largest <= 1e-3,
    `largest difference of ${apart.length} choices ${largest.toExponential(2)}`,
  );
}

function scored(lines: string): Scored[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Scored);
}

mkdirSync(folder, { recursive: true });
const file = await gemmaFile(folder, options.python);
const bench = await startBench(join(folder, 'home'), options.python);
try {
  await importModel(bench, file);
  if (options.wikitext !== undefined) await perplexity(bench, resolve(options.wikitext));
  if (options.gsm8k !== undefined) await training(bench, resolve(options.gsm8k));
  if (options.mmlu !== undefined) await multipleChoice(bench, resolve(options.mmlu));
} finally {
  await bench.stop();
}
console.log(verdict.failed === 0 ? 'All bars are met.' : `${verdict.failed} missed.`);
process.exitCode = verdict.failed === 0 ? 0 : 1;
