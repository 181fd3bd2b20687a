/**
 * HellaSwag (Zellers et al., 2019): `hellaswag_val.jsonl`, `hellaswag_train.jsonl`. Prompt and cleaning of the text: `hellaswag` of
 * lm-evaluation-harness 0.4 (its utils.py: the marks that WikiHow's texts carry are taken out).
 */
import { z } from 'zod';
import { badRecord } from './bad-record.ts';
import { oneGroup } from './files.ts';
import { readJsonLines } from './json-lines.ts';
import { capitalize, strip } from './python-text.ts';
import type { Benchmark } from './types.ts';

const record = z.object({
  activity_label: z.string(),
  ctx_a: z.string(),
  ctx_b: z.string(),
  endings: z.array(z.string()).min(2),
  label: z.union([z.int(), z.string()]).optional(),
});

const FILES = {
  train: ['hellaswag_train.jsonl', 'train.jsonl'],
  validation: ['hellaswag_val.jsonl', 'validation.jsonl', 'val.jsonl'],
  test: ['hellaswag_test.jsonl', 'test.jsonl'],
};

/** What WikiHow's texts carry: "[title]" begins a sentence, other brackets mean nothing to a reader. */
export function cleaned(text: string): string {
  return strip(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ');
}

export const hellaswag: Benchmark = {
  name: 'hellaswag',
  title: 'HellaSwag',
  groups: (path, split = 'validation') => oneGroup(path, FILES, split),
  async *read(file) {
    for await (const { line, value } of readJsonLines(file, record)) {
      const { activity_label, ctx_a, ctx_b, endings, label } = value;
      const answer = label === undefined || label === '' ? -1 : Number(label);
      if (!Number.isInteger(answer) || answer < 0 || answer >= endings.length)
        throw badRecord(
          file,
          line,
          `a "label" from 0 to ${endings.length - 1}`,
          label === undefined || label === '' ? 'none (the test split has no answers)' : 'another',
        );
      const context = cleaned(`${activity_label}: ${ctx_a} ${capitalize(ctx_b)}`);
      yield { context, choices: endings.map(cleaned), answer };
    }
  },
};
