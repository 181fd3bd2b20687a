import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CsvRow, readCsv } from './csv.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mft-csv-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function rows(text: string | Uint8Array) {
  const file = join(dir, 'data.csv');
  await writeFile(file, text);
  const found: CsvRow[] = [];
  for await (const row of readCsv(file)) found.push(row);
  return found;
}

test('quotes, commas, line breaks and empty fields', async () => {
  expect(await rows('a,"b ""c"", d","e\nf",\r\n\n"",x"y,\n"last"')).toEqual([
    { line: 1, fields: ['a', 'b "c", d', 'e\nf', ''] },
    { line: 4, fields: ['', 'x"y', ''] },
    { line: 5, fields: ['last'] },
  ]);
  expect(await rows('')).toEqual([]);
  expect(await rows('\ufeffa\n')).toEqual([{ line: 1, fields: ['a'] }]);
});

test('what is no CSV is refused with its line', async () => {
  await expect(rows('a\n"b" c\n')).rejects.toThrow('line 2: expected a comma');
  await expect(rows('a\nb,"c\nd')).rejects.toThrow('line 2: expected a closing quote');
  await expect(rows('a\rb\n')).rejects.toThrow('line 1: expected a line feed');
  await expect(rows(Buffer.from([0x61, 0x0a, 0xff]))).rejects.toMatchObject({ code: 'data.not-utf8' });
});

test('what is written by the rules of RFC 4180 is read back', async () => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é') });
  const quote = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 4 }),
      fc.constantFrom('\n', '\r\n'),
      async (table, end) => {
        const text = table.map((row) => row.map(quote).join(',') + end).join('');
        expect((await rows(text)).map(({ fields }) => fields)).toEqual(table);
      },
    ),
    { numRuns: 100 },
  );
});
