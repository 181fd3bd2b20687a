import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { benchmarks } from './benchmarks.ts';
import { writeTrainingFile } from './training-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'mft-training-file-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const convert = (task: string, paths: string[], out: string, limit?: number) => {
  const benchmark = benchmarks.get(task);
  if (!benchmark) throw new Error(task);
  return writeTrainingFile({ benchmark, paths, limit }, join(dir, out));
};
const linesOf = (name: string) =>
  readFileSync(join(dir, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const anatomy = file('anatomy_dev.csv', 'Where?,here,there,up,down,B\nWhy?,a,b,c,d,A\n');
const logic = file('formal_logic_dev.csv', 'What?,x,y,z,w,D\n');

test('prompts are those of the evaluation, answers are completions', async () => {
  expect(await convert('mmlu', [anatomy, logic], 'all.jsonl')).toBe(3);
  const about = (subject: string) =>
    `The following are multiple choice questions (with answers) about ${subject}.\n\n`;
  expect(linesOf('all.jsonl')).toEqual([
    { prompt: `${about('anatomy')}Where?\nA. here\nB. there\nC. up\nD. down\nAnswer:`, completion: ' B' },
    { prompt: `${about('anatomy')}Why?\nA. a\nB. b\nC. c\nD. d\nAnswer:`, completion: ' A' },
    { prompt: `${about('formal logic')}What?\nA. x\nB. y\nC. z\nD. w\nAnswer:`, completion: ' D' },
  ]);
  expect(await convert('mmlu', [anatomy, logic], 'first.jsonl', 1)).toBe(2);
  expect(linesOf('first.jsonl').map(({ completion }) => completion)).toEqual([' B', ' D']);
});

test('a file is there whole or not at all, and none is written over', async () => {
  const bad = file('bad_dev.csv', 'Where?,here,there,up,down,B\nWhy?,a,b,c,d,E\n');
  await expect(convert('mmlu', [anatomy, bad], 'bad.jsonl')).rejects.toMatchObject({
    code: 'data.bad-record',
  });
  const empty = file('empty_dev.csv', '');
  await expect(convert('mmlu', [empty], 'empty.jsonl')).rejects.toMatchObject({ code: 'data.empty' });
  await convert('mmlu', [logic], 'kept.jsonl');
  await expect(convert('mmlu', [anatomy], 'kept.jsonl')).rejects.toMatchObject({ code: 'file.exists' });
  expect(linesOf('kept.jsonl')).toHaveLength(1);
  expect(readdirSync(dir).filter((name) => /bad.jsonl|empty.jsonl|partial/.test(name))).toEqual([]);
});
