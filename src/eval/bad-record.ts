import type { ZodError } from 'zod';
import { ExitCode, MftError } from '../base/errors.ts';

/** What a benchmark's file should hold at a line, and does not. Texts of the file are not repeated: they may be private. */
export function badRecord(file: string, line: number, expected: string, found: string): MftError {
  return new MftError(`${file} line ${line}: expected ${expected}, found ${found}`, {
    code: 'data.bad-record',
    exit: ExitCode.usage,
    suggestions: ['Give the file as it was published.'],
    ref: 'docs/evaluation.md#benchmarks',
  });
}

/** A record that is not of its shape: the first thing wrong with it. */
export function badShape(file: string, line: number, { issues }: ZodError): MftError {
  const [issue] = issues;
  const where = issue && issue.path.length > 0 ? ` in "${issue.path.join('.')}"` : '';
  const [expected = 'another record', found = 'something else'] = (issue?.message ?? '')
    .replace(/^Invalid input: expected /, '')
    .split(', received ');
  return badRecord(file, line, `${expected}${where}`, found === 'undefined' ? 'nothing' : found);
}
