import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { type FakeHub, startFakeHub } from '../../../test/support/fake-hub.ts';
import { FIXTURES, failureOf, temporaryFolder } from '../../../test/support/model-folders.ts';
import { messageOf } from '../../base/errors.ts';
import { importModel, listModels } from '../library.ts';
import { verifyFiles } from '../pack/read.ts';
import { connectionOf } from './connection.ts';
import { type PullOptions, pullModel } from './pull.ts';

const root = await temporaryFolder();
const hub: FakeHub = await startFakeHub();
afterAll(() => hub.close());

const COMMIT = 'a1'.repeat(20);
const REPO = 'Tiny/Demo-3';
const TOKEN = 'hf_theSecretOfThisTest';
const gguf = join(FIXTURES, '../gguf');
let home = '';
let serial = 0;

/** A model with its tokenizer, as a repository has it, and files beside it that nobody needs. */
const demo = join(import.meta.dirname, '../../../configs/demo/model');
const needed = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
const original = new Map<string, Uint8Array>([
  ['README.md', Buffer.from('# a model')],
  ['pytorch_model.bin', new Uint8Array(5000)],
  ['quantised/model-Q8_0.gguf', await readFile(join(gguf, 'llama.gguf'))],
]);
for (const name of needed) original.set(name, await readFile(join(demo, name)));

beforeEach(() => {
  serial += 1;
  home = join(root, `home-${serial}`);
  hub.models.clear();
  hub.requests.length = 0;
  hub.faults = { cuts: [], stalls: 0, statuses: [], ignoreRanges: false, corrupt: new Set() };
  hub.models.set(REPO, { commit: COMMIT, branches: ['main', 'refs/pr/1'], files: new Map(original) });
});

/** Without text, which takes time, unless asked for. */
const pull = (options: PullOptions = {}, repo = REPO, token?: string) =>
  pullModel(repo, {
    home,
    tokenizer: 'none',
    connection: { endpoint: hub.url, token },
    patience: { firstDelayMs: 1, stallMs: 5000 },
    ...options,
  });
const downloads = () => readdir(join(home, 'downloads'), { recursive: true }).catch(() => []);
const rangesOf = (name: string) =>
  hub.requests.filter(({ path }) => path.includes(`/${name}`)).map(({ range }) => range);

test('a repository becomes the model that its folder would become; only what is needed is asked for', async () => {
  const { pack, commit, bytes } = await pull({ revision: 'refs/pr/1', tokenizer: undefined });
  expect([pack.name, commit, pack.manifest.source]).toEqual(['Demo-3', COMMIT, `${REPO}@${COMMIT}`]);
  await verifyFiles(pack.files, {});

  expect(bytes).toBe(needed.reduce((sum, name) => sum + (original.get(name)?.length ?? 0), 0));
  const same = await importModel(demo, 'same', { home });
  expect(pack.files.map(({ name, sha256 }) => [name, sha256])).toEqual(
    same.files.map(({ name, sha256 }) => [name, sha256]),
  );

  const asked = hub.requests.filter(({ path }) => path.includes('/resolve/')).map(({ path }) => path);
  expect(asked.sort()).toEqual(
    needed.map((name) => `/${REPO}/resolve/${COMMIT}/${name}`).sort(), // at the commit, whatever the branch does
  );
  expect(await downloads()).toEqual([]);
});

test('shards that an index names, and a GGUF file in a folder', async () => {
  const sharded = join(FIXTURES, '../hf-qwen2/sharded-bf16');
  const files = new Map<string, Uint8Array>();
  for (const name of await readdir(sharded)) files.set(name, await readFile(join(sharded, name)));
  hub.models.set('a/sharded', { commit: COMMIT, branches: ['main'], files });
  const { pack } = await pull({ dtype: 'int8' }, 'a/sharded');
  expect(pack.config.family).toBe('qwen2');
  expect(pack.storage.map(({ type }) => type)).toContain('int8');

  const pulled = await pull({ file: 'quantised/model-Q8_0.gguf', name: 'g' });
  expect(pulled.pack.config.family).toBe('llama');
  expect(pulled.pack.manifest.source).toBe(`${REPO}@${COMMIT}:quantised/model-Q8_0.gguf`);
  expect((await failureOf(pull({ file: 'other.gguf', name: 'h' }))).code).toBe('hub.no-file');

  files.delete('model-00003-of-00004.safetensors');
  const failure = await failureOf(pull({ name: 'x' }, 'a/sharded'));
  expect([failure.code, failure.message]).toEqual([
    'hub.no-file',
    'model.safetensors.index.json of a/sharded names "model-00003-of-00004.safetensors", which is not there',
  ]);
});

test('a connection that is cut goes on where it ended, within a pull and in the next one', async () => {
  const end = (original.get('model.safetensors')?.length ?? 0) - 1;
  hub.requests.length = 0;
  hub.faults.cuts = [1000, 2000, 0, 3000];
  await pull({ name: 'cut' });
  expect(rangesOf('resolve').filter((range) => range !== undefined)).toEqual(
    [1000, 3000, 3000, 6000].map((begin) => `bytes=${begin}-${end}`),
  );

  hub.requests.length = 0;
  hub.faults.cuts = [5000, 0, 0, 0, 0, 0, 0];
  const failure = await failureOf(pull({ name: 'later' }));
  expect(failure.code).toBe('hub.unreachable');
  expect(failure.message).toContain('model.safetensors');
  const partial = (await downloads()).find((name) => name.endsWith('.partial')) ?? '';
  expect((await stat(join(home, 'downloads', partial))).size).toBe(5000);
  expect((await listModels({ home })).map(({ name }) => name)).toEqual(['cut']);

  hub.requests.length = 0;
  hub.faults.cuts = [];
  await pull({ name: 'later' });
  const asked = hub.requests.filter(({ path }) => path.includes('/resolve/'));
  expect(asked.map(({ range }) => range)).toEqual([`bytes=5000-${end}`]); // what was whole is not asked for again
});

test('a server that stalls, fails for a while, or knows no ranges is borne with', async () => {
  hub.faults.stalls = 1;
  hub.faults.statuses = [503, 429];
  await pull({ name: 'stalled', patience: { firstDelayMs: 1, stallMs: 200 } });
  hub.faults.ignoreRanges = true;
  hub.faults.cuts = [4000];
  const { pack } = await pull({ name: 'whole' });
  await verifyFiles(pack.files, {});
  hub.faults.statuses = Array(20).fill(502);
  const failure = await failureOf(pull({ name: 'x' }));
  expect([failure.code, failure.message]).toEqual(['hub.unreachable', `${hub.url} answers with status 502`]);
  const gone = { endpoint: 'http://127.0.0.1:9', token: undefined };
  expect((await failureOf(pull({ name: 'x', connection: gone }))).code).toBe('hub.unreachable');
});

test.each(['model.safetensors', 'config.json'])('%s with another hash is thrown away', async (name) => {
  hub.faults.corrupt.add(name);
  const failure = await failureOf(pull());
  expect([failure.code, failure.message]).toEqual([
    'hub.hash-mismatch',
    expect.stringContaining(`${name} of ${REPO}`),
  ]);
  expect((await downloads()).filter((path) => path.includes(name))).toEqual([]);
  expect(await listModels({ home })).toEqual([]);
});

test('what a crash left wrong is fetched again', async () => {
  hub.faults.cuts = [5000, 0, 0, 0, 0, 0, 0];
  await failureOf(pull());
  const partial = (await downloads()).find((name) => name.endsWith('.partial')) ?? '';
  await writeFile(join(home, 'downloads', partial), new Uint8Array(70_000));
  hub.faults.cuts = [];
  await verifyFiles((await pull()).pack.files, {});
});

test('gated and private models say what to do; the token goes to the hub alone and into no message', async () => {
  const model = hub.models.get(REPO);
  if (model === undefined) throw new Error('no model');
  Object.assign(model, { gated: true, tokens: [TOKEN] });
  hub.models.set('other/one', { commit: COMMIT, branches: ['main'], files: new Map(), tokens: ['hf_x'] });
  const anonymous = await failureOf(pull());
  expect(anonymous.code).toBe('hub.gated');
  expect(anonymous.suggestions[0]).toContain('set HF_TOKEN');
  const without = await failureOf(pull({}, REPO, 'hf_x'));
  expect([without.code, without.suggestions[0]]).toEqual([
    'hub.gated',
    `Accept the terms at ${hub.url}/${REPO} with the account that HF_TOKEN belongs to.`,
  ]);
  const failures = [
    await failureOf(pull({}, REPO, 'hf_expired')),
    await failureOf(pull({}, 'other/one', TOKEN)),
    await failureOf(pull({}, 'other/one')),
    await failureOf(pull({ revision: 'v9' }, REPO, TOKEN)),
  ];
  expect(failures.map(({ code }) => code)).toEqual([
    'hub.refused',
    'hub.no-model',
    'hub.no-model',
    'hub.no-revision',
  ]);
  hub.faults.corrupt.add('model.safetensors');
  failures.push(anonymous, without, await failureOf(pull({}, REPO, TOKEN)));
  for (const failure of failures)
    for (let at: unknown = failure; at instanceof Error; at = at.cause)
      expect(`${messageOf(at)} ${failure.suggestions} ${at.stack}`).not.toMatch(/hf_(the|exp|x)|secret/);

  hub.faults.corrupt.clear();
  hub.requests.length = 0;
  await pull({}, REPO, TOKEN);
  expect(hub.requests.some(({ onCdn }) => onCdn)).toBe(true);
  for (const { onCdn, authorization } of hub.requests)
    expect(authorization).toBe(onCdn ? undefined : `Bearer ${TOKEN}`);
});

test('what can be known before the weights come is said before', async () => {
  const config = JSON.parse(Buffer.from(original.get('config.json') ?? []).toString());
  let commits = 0;
  const refused = async (files: Record<string, string | undefined>, options: PullOptions = {}) => {
    const changed = new Map(original);
    for (const [name, text] of Object.entries(files))
      if (text === undefined) changed.delete(name);
      else changed.set(name, Buffer.from(text));
    commits += 1; // a commit never changes
    hub.models.set('a/b', { commit: String(commits).padStart(40, '0'), branches: ['main'], files: changed });
    return (await failureOf(pull({ tokenizer: undefined, ...options }, 'a/b'))).code;
  };
  expect(await refused({ 'config.json': JSON.stringify({ ...config, model_type: 'mamba' }) })).toBe(
    'model.unknown-family',
  );
  expect(await refused({ 'tokenizer.json': undefined })).toBe('model.tokenizer-missing');
  expect(await refused({ 'model.safetensors': undefined })).toBe('hub.no-weights');
  expect(await refused({}, { name: '../up' })).toBe('model.bad-name');
  expect(await refused({}, { file: '../up.gguf' })).toBe('hub.bad-file');
  expect(rangesOf('resolve').length).toBeGreaterThan(0);
  expect(hub.requests.filter(({ path }) => path.includes('model.safetensors'))).toEqual([]);
  for (const name of ['gpt2', 'a/../b', 'a/b/c', '/b', 'datasets/a/b'])
    expect((await failureOf(pull({}, name))).code).toBe('hub.bad-name');
});

test('the environment: endpoint and token are checked, and not shown', () => {
  const at = (env: NodeJS.ProcessEnv) => {
    try {
      return connectionOf(env);
    } catch (error) {
      return messageOf(error);
    }
  };
  expect(at({})).toEqual({ endpoint: 'https://huggingface.co', token: undefined });
  expect(at({ HF_ENDPOINT: 'http://mirror:80/hf/', HF_TOKEN: 'hf_abc\n' })).toEqual({
    endpoint: 'http://mirror:80/hf',
    token: 'hf_abc',
  });
  expect(at({ HF_ENDPOINT: 'https://me:secret@hub' })).toBe('HF_ENDPOINT is no address of a hub');
  expect(at({ HF_ENDPOINT: 'file:///etc' })).toBe('HF_ENDPOINT is no address of a hub');
  expect(at({ HF_TOKEN: 'secret' })).toBe('HF_TOKEN is no token of a hub');
});
