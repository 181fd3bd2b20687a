/**
 * PIQA (Bisk et al., 2020): `valid.jsonl` (or `dev.jsonl`) with `valid-labels.lst` beside it, `train.jsonl` with
 * `train-labels.lst`; a "label" in the record itself counts too. Prompt: `piqa` of lm-evaluation-harness 0.4.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { badRecord } from './bad-record.ts';
import { noFile, oneGroup } from './files.ts';
import { readJsonLines } from './json-lines.ts';
import { readLines } from './lines.ts';
import type { Benchmark } from './types.ts';

const record = z.object({ goal: z.string(), sol1: z.string(), sol2: z.string(), label: z.int().optional() });

const FILES = {
  train: ['train.jsonl'],
  validation: ['valid.jsonl', 'dev.jsonl'],
  test: ['tests.jsonl', 'test.jsonl'],
};

export const piqa: Benchmark = {
  name: 'piqa',
  title: 'PIQA',
  groups: (path, split = 'validation') => oneGroup(path, FILES, split),
  async *read(file) {
    const labelFile = file.replace(/\.jsonl$/, '-labels.lst');
    const labels = labelFile !== file && existsSync(labelFile) ? readLabels(labelFile) : undefined;
    for await (const { line, value } of readJsonLines(file, record)) {
      const { goal, sol1, sol2 } = value;
      const answer = labels ? (await labels.next()).value : value.label;
      if (answer === undefined && !labels)
        throw noFile(
          `${file} has no answers: there is no ${labelFile}`,
          'Put the file of its labels beside it.',
        );
      if (answer !== 0 && answer !== 1)
        throw badRecord(
          labels ? labelFile : file,
          line,
          'a label 0 or 1 for each question',
          answer === undefined ? 'the end of the file' : 'another',
        );
      yield { context: `Question: ${goal}\nAnswer:`, choices: [sol1, sol2], answer };
    }
    if (labels && !(await labels.next()).done)
      throw badRecord(labelFile, 1, `as many labels as ${file} has questions`, 'more');
  },
};

async function* readLabels(file: string): AsyncGenerator<number, undefined, void> {
  for await (const { number, text } of readLines(file)) {
    if (!/^\s*[01]\s*$/.test(text)) throw badRecord(file, number, '0 or 1', 'something else');
    yield Number(text);
  }
  return undefined;
}
