/** What a training leaves through the command line: the best validation's weights, and where a new run goes on with them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rig, startRig } from '../support/rig.ts';
import { mftProcess, type Workbench, workbench } from '../support/training.ts';

let rig: Rig;
let bench: Workbench;
let validation: string;
beforeAll(async () => {
  [rig, bench] = await Promise.all([startRig(), workbench()]);
  const text = readFileSync(bench.data, 'utf8');
  validation = join(bench.home, 'validation.txt');
  // What is learned by heart here helps there only at first.
  writeFileSync(validation, text.slice(20_000, 21_000));
  writeFileSync(bench.data, text.slice(0, 800));
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

const SETTINGS = [
  'train.steps=40',
  'train.batch_size=4',
  'train.accumulation=1',
  'train.learning_rate=0.05',
  'train.schedule=constant',
  'train.eval_every=2',
  'train.checkpoint_every=3',
  'data.sequence_length=16',
];

interface Evaluation {
  step: number;
  loss: number;
  best: boolean;
}
interface Line {
  type: string;
  kind?: string;
  data: Evaluation & { learning_rate: number; total_steps: number };
}

async function train(...args: string[]) {
  const settings = [...SETTINGS, `data.validation=${validation}`].flatMap((setting) => ['--set', setting]);
  const result = await mftProcess(bench, rig, [
    'train',
    '--data',
    bench.data,
    ...settings,
    ...args,
    '--json',
  ]);
  const lines = String(result.stdout).trim().split('\n');
  if (result.exitCode !== 0) throw new Error(lines.at(-1));
  const all: Line[] = lines.map((line) => JSON.parse(line));
  const ofKind = (kind: string) => all.flatMap((line) => (line.kind === kind ? [line.data] : []));
  return { evaluations: ofKind('evaluation'), steps: ofKind('step'), end: JSON.parse(lines.at(-1) ?? '') };
}

const show = async (id: string) =>
  JSON.parse(String((await mftProcess(bench, rig, ['runs', 'show', id, '--json'])).stdout));

test('training ends when validation gets no better; a new run goes on with the best weights, to the bit', async () => {
  const impatient = ['--set', 'train.warmup_steps=0', '--set', 'train.patience=3'];
  const first = await train('--model', bench.model, '--name', 'first', ...impatient);
  const best = first.evaluations.filter((evaluation) => evaluation.best).at(-1);
  if (!best) throw new Error('no evaluation was the best');
  expect(Math.min(...first.evaluations.map(({ loss }) => loss))).toBe(best.loss);
  expect(first.end).toMatchObject({
    type: 'end',
    outcome: 'finished',
    early: true,
    step: best.step + 3 * 2,
    result_step: best.step,
  });
  expect(first.steps.length).toBe(first.end.step);
  expect(await show('first')).toMatchObject({
    best: { step: best.step, loss: best.loss },
    early: true,
    result_step: best.step,
    step: first.end.step,
    total_steps: 40,
  });
  const lines = String((await mftProcess(bench, rig, ['runs', 'show', 'first'])).stdout);
  expect(lines).toContain(`best ${best.loss.toFixed(4)} after step ${best.step}`);
  expect(lines).toContain(`of step ${best.step}`);

  // From the exported PEFT folder. The first step of a warm-up has a learning rate of 0, so the validation after it is that
  // of the adapter as it came.
  const pulled = join(bench.home, 'adapter');
  const pull = await mftProcess(bench, rig, ['runs', 'pull', 'first', '--out', pulled, '--format', 'peft']);
  expect(pull.exitCode).toBe(0);
  const once = ['--set', 'train.warmup_steps=1', '--set', 'train.eval_every=1', '--set', 'train.steps=2'];
  const second = await train('--model', bench.model, '--init-adapter', pulled, ...once);
  expect(second.steps[0]?.learning_rate).toBe(0);
  expect(second.evaluations[0]).toMatchObject({ step: 1, loss: best.loss });
  expect(second.evaluations[1]?.loss).not.toBe(best.loss);

  // The last step's weights are others.
  const last = ['--set', 'train.result=last', '--name', 'last'];
  const third = await train('--model', bench.model, ...impatient, ...last);
  expect(third.end).toMatchObject({ early: true, step: first.end.step, result_step: first.end.step });
  const fourth = await train('--init-adapter', 'last', ...once);
  expect(fourth.evaluations[0]?.loss).toBe(third.evaluations.at(-1)?.loss);
}, 180_000);

test('a warm-up is a part of all steps, also where only the phone knows how many there are', async () => {
  const epochs = ['--epochs', '2', '--set', 'train.warmup_ratio=0.25'];
  const { steps, end } = await train('--model', bench.model, ...epochs, '--set', 'train.result=last');
  const warmup = Math.ceil(steps.length * 0.25);
  expect(steps.length).toBe(end.step);
  expect(steps.length).toBeGreaterThan(4);
  const peak = Math.fround(0.05);
  expect(steps.map((step) => step.learning_rate)).toEqual(
    steps.map((_, i) => (i < warmup ? Math.fround((peak * i) / warmup) : peak)),
  );
}, 60_000);
