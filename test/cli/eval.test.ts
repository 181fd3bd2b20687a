/** `mft eval` on a virtual phone beside what transformers computes (test/fixtures/eval). */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunStore } from '../../src/runs/index.ts';
import {
  DevicePhone,
  planChoices,
  RunSession,
  type RunSignal,
  scoredQuestions,
} from '../../src/session/index.ts';
import { type Rig, startRig } from '../support/rig.ts';

const root = join(import.meta.dirname, '../..');
const fixtures = join(root, 'test/fixtures/eval');
const model = join(root, 'configs/demo/model');

let rig: Rig;
let home = '';
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mft-eval-'));
  rig = await startRig();
});
afterAll(async () => {
  await rig?.stop();
  rmSync(home, { recursive: true, force: true });
});

async function mft(...args: string[]) {
  const { stdout, stderr, exitCode } = await execa(
    process.execPath,
    [join(root, 'test/support/cli.ts'), 'eval', '--model', model, ...args],
    {
      env: { ...rig.adb.env, MFT_HOME: home, MFT_ADB_SERVER: `127.0.0.1:${rig.adb.port}` },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    },
  );
  return { stdout: String(stdout), stderr: String(stderr), exitCode };
}

async function json(...args: string[]) {
  const { stdout, stderr, exitCode } = await mft(...args, '--json');
  if (exitCode !== 0) throw new Error(`${exitCode}: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

function file(name: string, content: string): string {
  const path = join(home, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

interface Scored {
  index: number;
  group: string;
  log_likelihoods: number[];
  characters: number[];
  answer: number;
  predicted: number;
  predicted_norm: number;
}

const readScores = (path: string): Scored[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const expected = readScores(join(fixtures, 'choices.jsonl'));
const questions = join(fixtures, 'questions.jsonl');

function expectScores(actual: Scored[], wanted: Scored[]): void {
  expect(actual).toHaveLength(wanted.length);
  for (const [i, { log_likelihoods, ...rest }] of wanted.entries()) {
    expect(actual[i]).toMatchObject(rest);
    for (const [choice, value] of log_likelihoods.entries())
      expect(Math.abs((actual[i]?.log_likelihoods[choice] ?? Number.NaN) - value)).toBeLessThan(1e-4);
  }
}

describe('multiple choice', () => {
  test('is, choice by choice, what transformers gives', async () => {
    const out = join(home, 'scores.jsonl');
    const report = await json('--task', 'contexts', '--data', questions, '--out', out);
    expectScores(report.scores, expected);
    expectScores(readScores(out), expected);
    const right = (group: string) =>
      expected.filter((question) => question.group === group && question.predicted === question.answer)
        .length;
    expect(report.groups.map(({ group, acc }: { group: string; acc: number }) => [group, acc])).toEqual([
      ['letters', right('letters') / 2],
      ['sentences', right('sentences') / 3],
      ['nothing before', right('nothing before')],
      ['special token', right('special token')],
      ['too long', right('too long') / 2],
    ]);
    expect(report.total).toMatchObject({ questions: 9 });
    expect(report).toMatchObject({ task: 'contexts', model });
  });

  test('of a benchmark is the same as of its prompts', async () => {
    const test =
      'Who hunts the whale?,The Congress,The captain,The House,The sea,B\nWhat is salt?,"The sea",b,c,d,0\n';
    const folder = join(home, 'mmlu');
    file('mmlu/test/sea_life_test.csv', test.replace(',0\n', ',A\n'));
    file('mmlu/dev/sea_life_dev.csv', 'What swims?,A whale,A stone,A law,A tax,A\n');
    const report = await json('--task', 'mmlu', '--data', folder, '--shots', '1');
    const head = 'The following are multiple choice questions (with answers) about sea life.\n\n';
    const shot = 'What swims?\nA. A whale\nB. A stone\nC. A law\nD. A tax\nAnswer: A\n\n';
    const contexts = [
      'Who hunts the whale?\nA. The Congress\nB. The captain\nC. The House\nD. The sea\nAnswer:',
      'What is salt?\nA. The sea\nB. b\nC. c\nD. d\nAnswer:',
    ];
    const choices = ['A', 'B', 'C', 'D'];
    const records = contexts.map((context, i) => ({
      context: head + shot + context,
      choices,
      answer: 1 - i,
    }));
    const asked = file('asked.jsonl', records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    const same = await json('--task', 'contexts', '--data', asked);
    expect(report.scores.map(({ log_likelihoods }: Scored) => log_likelihoods)).toEqual(
      same.scores.map(({ log_likelihoods }: Scored) => log_likelihoods),
    );
    expect(report.scores[0]).toMatchObject({ group: 'sea_life', answer: 1, characters: [1, 1, 1, 1] });
    expect(report).toMatchObject({ task: 'mmlu', shots: 1, total: { questions: 2 } });
    const one = await json('--task', 'mmlu', '--data', folder, '--shots', '1', '--limit', '1');
    expect(one.scores).toEqual(report.scores.slice(0, 1));
  });

  test('of questions by letter and by text, also where they are on the phone', async () => {
    const quiz = '{"question":"What swims?","choices":["a whale","a law"],"answer":"A"}\n'.repeat(3);
    const path = file('quiz.jsonl', quiz);
    const byLetter = await json('--task', 'choices', '--data', path, '--limit', '1');
    expect(byLetter.scores).toHaveLength(1);
    expect(byLetter.scores[0].characters).toEqual([1, 1]);
    const byText = await json('--task', 'choices', '--data', path, '--method', 'likelihood');
    expect(byText.scores[0].characters).toEqual([7, 5]);
    expect(byText.total.questions).toBe(3);
    await rig.device.push(Buffer.from(quiz), '/data/local/tmp/quiz.jsonl', { mode: 0o600 });
    const there = await json(
      '--task',
      'choices',
      '--data',
      'device:/data/local/tmp/quiz.jsonl',
      '--limit',
      '1',
    );
    expect(there.scores).toEqual(byLetter.scores);
  });

  test('shows a table, and says what was cut', async () => {
    const { stdout, exitCode } = await mft('--task', 'contexts', '--data', questions, '--plain');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/warning: data\.truncated: 2 of 9 questions are longer than 256 tokens/);
    expect(stdout).toMatch(/\d of 9 questions right: acc 0\.\d{4}, acc_norm 0\.\d{4}/);
    expect(stdout).toMatch(/\ngroup +questions +acc +± +acc_norm +±\nletters +2 +0\.\d{4} +0\.\d{4}/);
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^all +9 +0\.\d{4}/);
  });

  test('goes on after its process was killed with the questions it had not scored', async () => {
    const many = file('many.jsonl', readFileSync(questions, 'utf8').repeat(40));
    using store = RunStore.open(home);
    const { device } = rig;
    const task = { records: 'contexts', method: 'likelihood' } as const;
    const run = await planChoices({ store, device, model, data: many, ...task });
    let pid = 0;
    let killed: Promise<unknown> | undefined;
    const onSignal = (signal: RunSignal) => {
      if (signal.type !== 'event') return;
      pid = signal.event.attemptStarted?.pid ?? pid;
      if (signal.event.choiceScored?.index === 20) killed ??= device.exec(['kill', '-9', String(pid)]);
    };
    const end = await new RunSession(store, new DevicePhone(device), run.id, { onSignal }).drive();
    await killed;
    expect(end.kind).toBe('finished');
    const asked = Array.from({ length: 40 }, () => expected).flat();
    expectScores(
      scoredQuestions(store, run.id),
      asked.map((question, index) => ({ ...question, index })),
    );
    expect(store.lastEvent(run.id)?.attempt).toBe(2);
    const events = [...store.events(run.id)].map(({ event }) => event);
    expect(events.filter(({ choiceScored }) => choiceScored)).toHaveLength(360);
    const right = asked.filter(({ answer, predicted }) => answer === predicted).length;
    expect(events.find(({ evaluation }) => evaluation)?.evaluation).toMatchObject({
      questions: 360,
      correct: right,
    });
  });
});

describe('perplexity', () => {
  const text = join(fixtures, 'text.txt');
  const rows = readFileSync(join(fixtures, 'perplexity.jsonl'), 'utf8').trim().split('\n');

  test.each(rows.map((line) => JSON.parse(line)))(
    'with windows of $length, a stride of $stride',
    async (row) => {
      const { length, stride, tokens, loss } = row;
      const windows = ['--sequence-length', String(length), '--stride', String(stride)];
      const report = await json('--data', text, ...windows);
      expect(report).toMatchObject({ tokens, sequence_length: length, stride });
      expect(Math.abs(report.loss - loss)).toBeLessThan(1e-5);
      expect(report.perplexity / Math.exp(loss)).toBeCloseTo(1, 4);
    },
  );

  test('of records is of what is learned of each', async () => {
    const records = file('records.jsonl', '{"prompt":"The whale","completion":" swims in the sea"}\n');
    const report = await json('--data', records, '--sequence-length', '64');
    const before = await json(
      '--task',
      'contexts',
      '--data',
      file(
        'same.jsonl',
        '{"context":"The whale","choices":["swims in the sea<|endoftext|>","x"],"answer":0}\n',
      ),
    );
    expect(report.loss * report.tokens).toBeCloseTo(-before.scores[0].log_likelihoods[0], 3);
    const whole = await json('--data', records, '--set', 'data.mask_prompt=false');
    expect(whole.tokens).toBeGreaterThan(report.tokens);
  });
});

describe('refused', () => {
  test.each([
    [['--task', 'mmlu', '--data', fixtures], 'data.not-found'],
    [['--task', 'mmlu', '--data', 'device:/sdcard/mmlu'], 'usage.command-line'],
    [['--task', 'contexts', '--data', questions, '--shots', '1'], 'usage.command-line'],
    [['--task', 'arc-easy', '--data', questions, '--subjects', 'x'], 'usage.command-line'],
    [['--task', 'choices', '--data', questions], 'data.bad-record'],
    [['--data', join(fixtures, 'text.txt'), '--stride', '300', '--sequence-length', '256'], 'config.value'],
    [['--data', join(fixtures, 'text.txt'), '--set', 'train.steps=3'], 'config.value'],
    [['--data', join(fixtures, 'text.txt'), '--set', 'data.shuffle=true'], 'config.value'],
    [['--data', join(fixtures, 'text.txt'), '--shots', '3'], 'usage.command-line'],
  ])('%s', async (args, code) => {
    const { stdout, exitCode } = await mft(...args, '--json');
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '').error.code).toBe(code);
  });

  test('a stride over records, and a question that no text goes on from', async () => {
    const records = file('some.jsonl', '{"text":"The whale"}\n');
    const strided = await mft('--data', records, '--stride', '8', '--json');
    expect(strided).toMatchObject({ exitCode: 2, stdout: expect.stringContaining('--stride is for a text') });
    await rig.device.push(readFileSync(records), '/data/local/tmp/some.jsonl', { mode: 0o600 });
    const there = await mft('--data', 'device:/data/local/tmp/some.jsonl', '--stride', '8', '--json');
    expect(there).toMatchObject({ exitCode: 5, stdout: expect.stringContaining('spec.invalid') });
    const wrong = file(
      'wrong.jsonl',
      '{"context":"a","choices":["b","c"],"answer":0}\n{"context":"a","choices":["b"],"answer":0}\n',
    );
    const { stdout } = await mft('--task', 'contexts', '--data', wrong, '--json');
    expect(stdout).toContain('wrong.jsonl line 2: expected at least 2 choices');
  });
});
