import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { benchmarks } from './benchmarks.ts';
import { cleaned } from './hellaswag.ts';
import { capitalize, strip } from './python-text.ts';
import { type TaskRecord, type TaskRequest, taskRecords } from './task-file.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mft-benchmarks-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The records of a benchmark whose folder has these files. */
async function records(task: string, files: Record<string, string>, options: Partial<TaskRequest> = {}) {
  const folder = await mkdtemp(join(dir, 'task-'));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const benchmark = benchmarks.get(task);
  if (!benchmark) throw new Error(task);
  const found: TaskRecord[] = [];
  for await (const record of taskRecords({ benchmark, path: folder, shots: 0, ...options }))
    found.push(record);
  return found;
}

const MMLU = {
  'test/world_religions_test.csv': '" Who, ""exactly""?\nTell.",one,two,three,four,C\nWhy?,a,b,c,d,A\n',
  'test/anatomy_test.csv': 'question,choice0,choice1,choice2,choice3,answer\nWhere?,here,there,up,down,1\n',
  'dev/world_religions_dev.csv': 'First?,1,2,3,4,D\nSecond?,5,6,7,8,B\n',
  'dev/anatomy_dev.csv': 'Bone?,x,y,z,w,A\n',
};

test('MMLU: prompt, subject, examples of the subject', async () => {
  expect(await records('mmlu', MMLU, { shots: 1 })).toEqual([
    {
      prefix:
        'The following are multiple choice questions (with answers) about anatomy.\n\n' +
        'Bone?\nA. x\nB. y\nC. z\nD. w\nAnswer: A\n\n',
    },
    {
      context: 'Where?\nA. here\nB. there\nC. up\nD. down\nAnswer:',
      choices: ['A', 'B', 'C', 'D'],
      answer: 1,
      group: 'anatomy',
    },
    {
      prefix:
        'The following are multiple choice questions (with answers) about world religions.\n\n' +
        'First?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer: D\n\n',
    },
    {
      context: 'Who, "exactly"?\nTell.\nA. one\nB. two\nC. three\nD. four\nAnswer:',
      choices: ['A', 'B', 'C', 'D'],
      answer: 2,
      group: 'world_religions',
    },
    {
      context: 'Why?\nA. a\nB. b\nC. c\nD. d\nAnswer:',
      choices: ['A', 'B', 'C', 'D'],
      answer: 0,
      group: 'world_religions',
    },
  ]);
});

test('MMLU: subjects, limit, and what is missing', async () => {
  const chosen = await records('mmlu', MMLU, { subjects: ['world_religions'], limit: 1 });
  expect(chosen).toHaveLength(2);
  expect(chosen[1]).toMatchObject({ answer: 2, group: 'world_religions' });
  await expect(records('mmlu', MMLU, { subjects: ['anatomie'] })).rejects.toMatchObject({
    code: 'data.not-found',
    suggestions: ['Is it anatomy?'],
  });
  await expect(records('mmlu', MMLU, { shots: 2, subjects: ['anatomy'] })).rejects.toMatchObject({
    code: 'data.too-short',
  });
  await expect(records('mmlu', {})).rejects.toMatchObject({ code: 'data.not-found' });
  const bad = { 'test/x_test.csv': 'Why?,a,b,c,d,A\nWhy?,a,b,c,d,E\n' };
  await expect(records('mmlu', bad)).rejects.toThrow(/x_test\.csv line 2: expected an answer from A to D/);
  const short = { 'test/x_test.csv': 'Why?,a,b,c,A\n' };
  await expect(records('mmlu', short)).rejects.toThrow('line 1: expected six fields');
});

test('ARC: as published and as on the hub, letters and numbers', async () => {
  const published =
    '{"id":"1","question":{"stem":"Why?","choices":[{"text":"so","label":"A"},{"text":"no","label":"B"},{"text":"go","label":"C"}]},"answerKey":"B"}\n';
  const hub =
    '{"id":"2","question":"How?","choices":{"text":["far","near"],"label":["1","2"]},"answerKey":"2"}\n';
  const files = { 'ARC-Easy-Test.jsonl': published + hub, 'ARC-Easy-Train.jsonl': hub };
  expect(await records('arc-easy', files, { shots: 1 })).toEqual([
    { prefix: 'Question: How?\nAnswer: near\n\n' },
    { context: 'Question: Why?\nAnswer:', choices: ['so', 'no', 'go'], answer: 1 },
    { context: 'Question: How?\nAnswer:', choices: ['far', 'near'], answer: 1 },
  ]);
  const unknown = { 'test.jsonl': hub.replace('"answerKey":"2"', '"answerKey":"B"') };
  await expect(records('arc-challenge', unknown)).rejects.toThrow('line 1: expected an "answerKey"');
  const lacking = { 'test.jsonl': `${hub}{"question":"x","choices":[]}\n` };
  await expect(records('arc-challenge', lacking)).rejects.toThrow('line 2: expected');
});

test('HellaSwag: the text is cleaned as lm-evaluation-harness does', async () => {
  const record = {
    activity_label: 'Making tea',
    ctx_a: '[header] How to make tea [title] Boil water.',
    ctx_b: 'the Man pours  Earl Grey',
    endings: [' drinks it. [step] Enjoy', 'sleeps', 'runs', 'x'],
    label: 3,
  };
  const files = { 'hellaswag_val.jsonl': `${JSON.stringify(record)}\n` };
  expect(await records('hellaswag', files)).toEqual([
    { prefix: '' },
    {
      context: 'Making tea: How to make tea. Boil water. The man pours earl grey',
      choices: ['drinks it. Enjoy', 'sleeps', 'runs', 'x'],
      answer: 3,
    },
  ]);
  const untold = { 'hellaswag_val.jsonl': `${JSON.stringify({ ...record, label: undefined })}\n` };
  await expect(records('hellaswag', untold)).rejects.toThrow('line 1: expected a "label" from 0 to 3');
  // re.sub takes the shortest match, once; then pairs of blanks become one, from the left.
  expect(cleaned('\u0085 a [x] [y]   b\u2003')).toBe('a   b');
});

test('text functions are those of Python', () => {
  expect(capitalize('éCOLE Über')).toBe('École über');
  expect(capitalize('ßA')).toBe('Ssa');
  expect(capitalize('')).toBe('');
  expect(strip('\u001c\u0085\u2028 x \ufeff\t')).toBe('x \ufeff');
});

test('PIQA: labels beside the questions', async () => {
  const questions =
    '{"goal":"Open it","sol1":"push","sol2":"pull"}\n{"goal":"Close it","sol1":"a","sol2":"b"}\n';
  const files = { 'valid.jsonl': questions, 'valid-labels.lst': '1\n0\n' };
  expect(await records('piqa', files)).toEqual([
    { prefix: '' },
    { context: 'Question: Open it\nAnswer:', choices: ['push', 'pull'], answer: 1 },
    { context: 'Question: Close it\nAnswer:', choices: ['a', 'b'], answer: 0 },
  ]);
  await expect(records('piqa', { 'valid.jsonl': questions })).rejects.toMatchObject({
    code: 'data.not-found',
  });
  for (const [labels, message] of [
    ['1\n', 'the end of the file'],
    ['1\n0\n0\n', 'as many labels'],
    ['1\n2\n', 'line 2: expected 0 or 1'],
  ])
    await expect(records('piqa', { ...files, 'valid-labels.lst': labels ?? '' })).rejects.toThrow(message);
});

test('QNLI: columns by name, nothing quoted', async () => {
  const head = 'index\tquestion\tsentence\tlabel\n';
  const files = {
    'dev.tsv': `${head}0\tWhen "was it?\tIn 1990.\tnot_entailment\n1\tWho?\tHe.\tentailment\n`,
    'train.tsv': `${head}7\tWhat?\tThat.\tentailment\n`,
  };
  const ask = 'Question: Does this response answer the question?\nAnswer:';
  expect(await records('qnli', files, { shots: 1 })).toEqual([
    { prefix: `What?\nThat.\n${ask} yes\n\n` },
    { context: `When "was it?\nIn 1990.\n${ask}`, choices: ['yes', 'no'], answer: 1 },
    { context: `Who?\nHe.\n${ask}`, choices: ['yes', 'no'], answer: 0 },
  ]);
  await expect(records('qnli', { 'dev.tsv': 'index\tquestion\tsentence\n' })).rejects.toThrow('no label');
  await expect(records('qnli', { 'dev.tsv': `${head}0\ta\tb\n` })).rejects.toThrow(
    'line 2: expected 4 columns',
  );
});

test('a line that is no record is named, and its text is not', async () => {
  const files = { 'valid.jsonl': '{"goal":"secret","sol1":1,"sol2":"b","label":0}\n' };
  const error = await records('piqa', files).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'data.bad-record', exit: 2 });
  expect(String(error)).toContain('line 1: expected string in "sol1", found number');
  expect(String(error)).not.toContain('secret');
  await expect(records('piqa', { 'valid.jsonl': '{"goal"\n' })).rejects.toThrow(
    'line 1: expected a JSON object',
  );
});
