import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPrompts } from './prompt-file.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mft-prompts-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function file(content: string | Uint8Array): string {
  const path = join(dir, 'prompts');
  writeFileSync(path, content);
  return path;
}

test('one a line, as it stands', async () => {
  expect(await readPrompts(file('\uFEFFThe sea was\r\n\n  two spaces \nlast'))).toEqual([
    'The sea was',
    '  two spaces ',
    'last',
  ]);
  expect(await readPrompts(file('{not JSON\n[1]'))).toEqual(['{not JSON', '[1]']);
});

test('JSON Lines, recognised by the first line', async () => {
  expect(await readPrompts(file('\n{"prompt":"a\\nb","id":1}\n\n{"prompt":"c"}\n'))).toEqual(['a\nb', 'c']);
});

test('standard input', async () => {
  expect(await readPrompts('-', Readable.from([Buffer.from('a\nb'), Buffer.from('c\n')]))).toEqual([
    'a',
    'bc',
  ]);
});

test.each([
  ['{"prompt":"a"}\nplain', 'line 2: expected {"prompt": "..."}, found something else'],
  ['{"prompt":"a"}\n\n{"text":"b"}', 'line 3: expected {"prompt": "..."}, found no such field'],
  ['{"prompt":1}', 'line 1: expected {"prompt": "..."}, found a value that is no text'],
  ['{"prompt":""}', 'line 1: expected {"prompt": "..."}, found an empty one'],
  ['{"prompt":"\\ud800"}', 'line 1: expected {"prompt": "..."}, found half of a surrogate pair in it'],
])('%j is an error that names the line', async (content, message) => {
  await expect(readPrompts(file(content))).rejects.toMatchObject({
    code: 'data.bad-record',
    message: expect.stringContaining(message),
  });
});

test('what is not there, empty, or no text', async () => {
  await expect(readPrompts(join(dir, 'none'))).rejects.toMatchObject({ code: 'data.not-found' });
  await expect(readPrompts(dir)).rejects.toMatchObject({ code: 'data.not-a-file' });
  await expect(readPrompts(file(' \n\n'))).rejects.toMatchObject({ code: 'data.empty' });
  await expect(readPrompts(file(new Uint8Array([97, 0xff])))).rejects.toMatchObject({
    code: 'data.not-utf8',
  });
  await expect(readPrompts(file('x'.repeat((8 << 20) + 1)))).rejects.toMatchObject({
    code: 'data.too-large',
  });
});
