/**
 * MMLU (Hendrycks et al., 2021): CSV files `test/SUBJECT_test.csv`, `val/SUBJECT_val.csv`, `dev/SUBJECT_dev.csv`, each row
 * question, four choices, the letter of the answer. A first row "question,...,answer" is taken as names; the answer may then be
 * an index from 0. Prompt: `mmlu` of lm-evaluation-harness 0.4.
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { badRecord } from './bad-record.ts';
import { type CsvRow, readCsv } from './csv.ts';
import { noFile } from './files.ts';
import { strip } from './python-text.ts';
import type { Benchmark, Group, Item } from './types.ts';

const LETTERS = ['A', 'B', 'C', 'D'] as const;
const FOLDERS: Readonly<Record<string, string>> = { validation: 'val', test: 'test' };
const NAME = /^(.+)_(test|val|dev)\.csv$/;

export const mmlu: Benchmark = {
  name: 'mmlu',
  title: 'MMLU',

  async groups(path, split = 'test') {
    const about = await stat(path).catch(() => undefined);
    if (!about) throw noFile(`there is nothing at ${path}`, 'Check the path given to --data.');
    if (!about.isDirectory()) return [groupOf(path)];
    const folder = FOLDERS[split];
    if (folder === undefined) throw noFile('MMLU has no training split', 'Give --split test or validation.');
    const place = [join(path, folder), path].find((dir) => existsSync(dir)) ?? path;
    const files = (await readdir(place)).filter((name) => NAME.exec(name)?.[2] === folder).sort();
    if (files.length === 0)
      throw noFile(
        `${place} has no file SUBJECT_${folder}.csv`,
        'Give the folder of MMLU that holds test/ and dev/.',
      );
    return files.map((name) => groupOf(join(place, name)));
  },

  description: (subject) =>
    `The following are multiple choice questions (with answers) about ${subject.replaceAll('_', ' ')}.\n\n`,

  async *read(file) {
    let first = true;
    let named = false;
    for await (const row of readCsv(file)) {
      if (first && isHeader(row)) named = true;
      else yield itemOf(file, row, named);
      first = false;
    }
  },
};

/** @param file of one subject; its examples are in `../dev`, or beside it */
function groupOf(file: string): Group {
  const name = NAME.exec(basename(file))?.[1] ?? basename(file, '.csv');
  const dev = `${name}_dev.csv`;
  const beside = join(dirname(file), dev);
  return {
    name,
    questions: file,
    examples: existsSync(beside) ? beside : join(dirname(file), '..', 'dev', dev),
  };
}

function isHeader({ fields }: CsvRow): boolean {
  const names = fields.map((name) => name.trim().toLowerCase());
  return names[0] === 'question' && names.at(-1) === 'answer';
}

function itemOf(file: string, { line, fields }: CsvRow, named: boolean): Item {
  if (fields.length !== 6)
    throw badRecord(file, line, 'six fields: question, four choices, answer', `${fields.length}`);
  const [question = '', ...rest] = fields;
  const choices = rest.slice(0, 4);
  const letter = (rest[4] ?? '').trim();
  const index = LETTERS.findIndex((name, i) => name === letter || (named && letter === String(i)));
  if (index < 0)
    throw badRecord(file, line, `an answer from A to D${named ? ' or from 0 to 3' : ''}`, 'something else');
  const shown = choices.map((choice, i) => `${LETTERS[i]}. ${choice}\n`).join('');
  return { context: `${strip(question)}\n${shown}Answer:`, choices: [...LETTERS], answer: index };
}
