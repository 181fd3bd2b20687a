import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEndTokens } from './end-tokens.ts';
import type { ModelConfig } from './types.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mft-ends-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (name: string, value: unknown) => writeFileSync(join(dir, name), JSON.stringify(value));
const read = () => readEndTokens({ dir, config: { vocabSize: 200 } as ModelConfig });

test('the list of generation_config.json counts before config.json', async () => {
  expect(await read()).toEqual([]);
  write('config.json', { eos_token_id: 1 });
  expect(await read()).toEqual([1]);
  write('generation_config.json', { temperature: 1, eos_token_id: null });
  expect(await read()).toEqual([1]);
  write('generation_config.json', { eos_token_id: [1, 106, 106] });
  expect(await read()).toEqual([1, 106]);
});

test('tokens beyond the vocabulary are never picked; what is no token is an error that names the file', async () => {
  write('generation_config.json', { eos_token_id: [7, 200] });
  expect(await read()).toEqual([7]);
  for (const eos_token_id of ['<eos>', -1, 1.5, [1, '2'], {}]) {
    write('generation_config.json', { eos_token_id });
    await expect(read()).rejects.toMatchObject({
      code: 'model.bad-config-field',
      message: expect.stringContaining('generation_config.json'),
    });
  }
});
