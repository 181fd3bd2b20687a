import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'node:util';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startFakeHub } from '../../../test/support/fake-hub.ts';
import { FIXTURES, temporaryFolder } from '../../../test/support/model-folders.ts';
import ModelPull from './pull.ts';

const root = join(import.meta.dirname, '../../..');
const home = await temporaryFolder();
const hub = await startFakeHub();
afterAll(() => hub.close());
const TOKEN = 'hf_theSecretOfThisTest';
const commit = 'c0'.repeat(20);
const files = new Map<string, Uint8Array>();
for (const name of ['config.json', 'model.safetensors'])
  files.set(name, await readFile(join(FIXTURES, 'single-f32', name)));
hub.models.set('Tiny/GPT', { commit, branches: ['main'], files, gated: true, tokens: [TOKEN] });

let [out, err] = ['', ''];
beforeEach(() => {
  [out, err] = ['', ''];
  vi.stubEnv('MFT_HOME', home);
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(console, 'log').mockImplementation((...words) => {
    out += `${format(...words)}\n`;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  process.exitCode = undefined;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

test('HF_ENDPOINT and HF_TOKEN are used, and the token is in nothing that is printed', async () => {
  vi.stubEnv('HF_TOKEN', '');
  await ModelPull.run(['Tiny/GPT', '--tokenizer', 'none'], root);
  expect(err).toMatch(/^Error: Tiny\/GPT is gated.*\n {2}code: hub\.gated\n {2}try: Accept the terms at /);
  expect(process.exitCode).toBe(2);

  vi.stubEnv('HF_TOKEN', TOKEN);
  process.exitCode = undefined;
  await ModelPull.run(['Tiny/GPT', '--tokenizer', 'none', '--name', 'g', '--verbose', '--json'], root);
  expect(JSON.parse(out)).toMatchObject({
    name: 'g',
    family: 'gpt2',
    source: `Tiny/GPT@${commit}`,
    pulled: { repository: 'Tiny/GPT', commit, bytes: [...files.values()].reduce((n, f) => n + f.length, 0) },
  });
  expect(err).toContain('/resolve/'); // what was asked for is logged
  expect(out + err).not.toContain('theSecret');
  expect(process.exitCode).toBeUndefined();
});
