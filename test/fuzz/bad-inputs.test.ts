import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BAD_INPUTS } from './bad-inputs.ts';

interface Answer {
  path: string;
  code: string | null;
  exit: number | null;
  message: string;
  suggestions: number;
  left: string[];
  peakBytes: number;
}

/** More than the largest of the inputs, which has 64 MB, in two forms; far below what any of them claims. */
const MEMORY = 256 << 20;
const SOUND = join(import.meta.dirname, '../fixtures/gguf/gemma3.gguf');
const scratch = mkdtempSync(join(tmpdir(), 'mft-bad-'));
const answers = new Map<string, Answer>();
let sound: Answer | undefined;

beforeAll(async () => {
  const paths = BAD_INPUTS.map(({ make }, at) => make(join(scratch, `${at}`)));
  const asked = BAD_INPUTS.map(({ what }, at) => ({
    path: paths[at],
    ...(what.startsWith('tokenizer:') ? {} : { tokenizer: 'none' }),
  }));
  const script = join(import.meta.dirname, 'import-many.ts');
  const { stdout } = await execa(process.execPath, ['--max-old-space-size=256', script], {
    input: [{ path: SOUND, tokenizer: 'none' }, ...asked].map((one) => `${JSON.stringify(one)}\n`).join(''),
  });
  const lines = stdout.split('\n').map((line) => JSON.parse(line) as Answer);
  for (const answer of lines) answers.set(answer.path, answer);
  sound = lines[0];
  for (const [at, { what }] of BAD_INPUTS.entries()) {
    const answer = answers.get(paths[at] ?? '');
    if (answer !== undefined) answers.set(what, answer);
  }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('what is sound is imported', () => {
  expect(sound).toMatchObject({ message: '', code: null, left: ['pack'] });
});

describe('bad inputs end in words, with nothing left and no memory taken', () => {
  test.each(BAD_INPUTS.map((bad) => [bad.what, bad] as const))('%s', (what, { code, says }) => {
    const answer = answers.get(what);
    expect(answer?.message).toMatch(says);
    expect(answer).toMatchObject({ code, exit: 2, left: [] });
    expect(answer?.message).toContain(answer?.path);
    expect(answer?.message.length).toBeLessThan(1000);
    expect((answer?.peakBytes ?? 0) - (sound?.peakBytes ?? 0)).toBeLessThan(MEMORY);
  });
});
