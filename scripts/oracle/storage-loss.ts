/**
 * What storing the base weights in fewer bits costs: LoRA for 50 steps on the same model, text, seed and settings, once for
 * each storage type, and the losses beside those of bf16.
 *
 *     node scripts/oracle/storage-loss.ts [MODEL_FOLDER] [--steps 50]
 *
 * The model is one that has learned something (random weights lose nothing that matters): the demo's GPT-2, pretrained by
 * mft on the State of the Union addresses, unless a Hugging Face folder is named. The text is Moby Dick. Runs on a virtual
 * phone; needs a built runtime. Prints a Markdown table.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { openPack } from '../../src/model/index.ts';
import { startRig } from '../../test/support/rig.ts';
import { mftProcess, workbench } from '../../test/support/training.ts';
import { readDataset } from '../text.ts';

const TYPES = ['f32', 'bf16', 'f16', 'int8', 'int4'] as const;
const SETTINGS = [
  'train.batch_size=4',
  'train.accumulation=1',
  'train.learning_rate=2e-3',
  'train.warmup_steps=5',
  'train.checkpoint_every=100000',
  'train.eval_max_batches=0',
  'data.sequence_length=128',
  'lora.r=8',
  'lora.alpha=16',
];

interface Row {
  type: string;
  bytes: number;
  before: number;
  training: number;
  after: number;
}

interface Line {
  kind?: string;
  loss?: number;
  data?: { step: number; loss: number };
}

async function measure(folder: string, steps: number): Promise<Row[]> {
  const bench = await workbench();
  const rig = await startRig({ make: 'emulated' });
  const [training, validation] = [join(bench.home, 'training.txt'), join(bench.home, 'validation.txt')];
  const text = readDataset('moby-dick');
  writeFileSync(training, text.slice(0, 600_000));
  writeFileSync(validation, text.slice(600_000, 660_000));

  async function mft(...args: string[]): Promise<Line[]> {
    const { stdout, stderr, exitCode } = await mftProcess(bench, rig, [...args, '--json']);
    if (exitCode !== 0) throw new Error(`mft ${args.join(' ')}: ${stdout} ${stderr}`);
    const lines = args[0] === 'train' ? stdout.trim().split('\n') : [stdout];
    return lines.map((line) => JSON.parse(line));
  }

  async function row(type: string): Promise<Row> {
    await mft('model', 'import', folder, '--name', type, '--dtype', type);
    const pack = await openPack(join(bench.home, 'models', type));
    const [before] = await mft(
      ...['eval', '--model', type, '--data', validation, '--sequence-length', '128', '--batch-size', '4'],
    );
    const lines = await mft(
      ...['train', '--model', type, '--data', training, '--steps', String(steps), '--targets', 'all-linear'],
      ...[...SETTINGS, `data.validation=${validation}`].flatMap((setting) => ['--set', setting]),
    );
    const losses = (kind: string) =>
      lines.flatMap(({ kind: found, data }) => (found === kind && data ? [data.loss] : []));
    const last = losses('step').slice(-10);
    return {
      type,
      bytes: pack.files
        .filter(({ name }) => name !== 'tokenizer')
        .reduce((sum, { path }) => sum + statSync(path).size, 0),
      before: before?.loss ?? Number.NaN,
      training: last.reduce((sum, loss) => sum + loss, 0) / last.length,
      after: losses('evaluation').at(-1) ?? Number.NaN,
    };
  }

  try {
    const rows: Row[] = [];
    for (const type of TYPES) rows.push(await row(type));
    return rows;
  } finally {
    await rig.stop();
    bench.remove();
  }
}

function table(rows: readonly Row[], steps: number): string {
  const base = rows.find(({ type }) => type === 'bf16');
  const against = (value: number, other: number | undefined) =>
    `${value.toFixed(4)} (${value - (other ?? Number.NaN) < 0 ? '' : '+'}${(value - (other ?? Number.NaN)).toFixed(4)})`;
  const cells = rows.map(({ type, bytes, before, training, after }) => [
    type,
    (bytes / 1e6).toFixed(1),
    against(before, base?.before),
    against(training, base?.training),
    against(after, base?.after),
  ]);
  const head = ['base', 'MB', 'validation before', `last 10 of ${steps} steps`, `validation after`];
  return [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

await new Command('storage-loss')
  .description('what storing the base weights in fewer bits costs: a table of losses')
  .addArgument(new Argument('[model]', 'a Hugging Face folder').default('configs/demo/model'))
  .option('--steps <count>', 'optimizer steps', Number, 50)
  .action(async (model: string, { steps }: { steps: number }) => {
    console.log(`${model}, differences from bf16 in brackets:\n`);
    console.log(table(await measure(resolve(model), steps), steps));
  })
  .parseAsync();
