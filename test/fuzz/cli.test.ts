/** Bad models and data at the command line: exit code 2, a few lines, and nothing left in MFT_HOME. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createModel } from '../../src/model/index.ts';
import { BAD_INPUTS } from './bad-inputs.ts';

const CLI = join(import.meta.dirname, '../support/cli.ts');
const fixtures = join(import.meta.dirname, '../fixtures');
const scratch = mkdtempSync(join(tmpdir(), 'mft-bad-cli-'));
const home = join(scratch, 'home');
let before: string[] = [];

beforeAll(async () => {
  const tokenizer = join(scratch, 'tokenizer');
  mkdirSync(tokenizer);
  copyFileSync(join(fixtures, 'tokenizer/tiny.json'), join(tokenizer, 'tokenizer.json'));
  await createModel('small', {
    family: 'gpt2',
    hidden: 16,
    layers: 1,
    heads: 2,
    positions: 64,
    tokenizer,
    home,
    seed: 1,
  });
  const sound = join(scratch, 'sound.jsonl');
  writeFileSync(sound, '{"text":"hello world, hello world"}\n');
  expect((await preview(sound)).stderr).toBe('');
  before = everything();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const everything = () => readdirSync(home, { recursive: true, encoding: 'utf8' }).sort();

async function mft(...args: string[]) {
  return await execa(process.execPath, ['--max-old-space-size=384', CLI, ...args], {
    env: { MFT_HOME: home, NO_COLOR: '1' },
    reject: false,
  });
}

/** Everything that `mft train` does with its data before it looks for a phone. */
const preview = (data: string, ...more: string[]) =>
  mft('train', '--model', 'small', '--data', data, '--dry-run', '--set', 'data.sequence_length=8', ...more);

/** A few lines for a person: what, the code, what to do; no traces of the program, no escapes of a file. */
function expectWords(stderr: string, code: string, place: string): void {
  const lines = stderr.trim().split('\n');
  expect(lines[0]).toMatch(/^Error: /);
  expect(stderr).toContain(place);
  expect(stderr).toContain(`code: ${code}`);
  expect(lines.length).toBeLessThan(12);
  expect(stderr).not.toMatch(/^\s+at |node:|defect of mft/m);
  expect(stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
}

const SHOWN = [
  'safetensors: a header of 2^63 bytes',
  'GGUF: an array of 2^60 elements',
  'tokenizer: JSON nested 100 000 deep',
];

describe('mft model import', () => {
  test.each(BAD_INPUTS.filter(({ what }) => SHOWN.includes(what)).map((bad) => [bad.what, bad] as const))(
    '%s',
    async (_, { make, code }) => {
      const path = make(join(scratch, code));
      const tokenizer = code.startsWith('tokenizer') ? [] : ['--tokenizer', 'none'];
      const { exitCode, stdout, stderr } = await mft('model/import', path, '--name', 'bad', ...tokenizer);
      expect([exitCode, stdout]).toEqual([2, '']);
      expectWords(stderr, code, path);
      expect(everything()).toEqual(before);
    },
  );
});

const DATA: readonly { what: string; code: string; says: string; make(path: string): void }[] = [
  {
    what: 'a line of 65 MB',
    code: 'data.bad-record',
    says: 'line 2: expected a line of at most 67108864 bytes',
    make(path) {
      writeFileSync(path, `{"text":"a"}\n{"text":"${'x'.repeat((64 << 20) + 10)}"}\n`);
    },
  },
  {
    what: 'a line of 1 GB, all holes',
    code: 'data.bad-record',
    says: 'line 1: expected',
    make(path) {
      writeFileSync(path, '{"text":"');
      truncateSync(path, 1 << 30);
    },
  },
  {
    what: 'half of a surrogate pair',
    code: 'data.bad-record',
    says: 'line 1: expected a surrogate pair',
    make: (path) => writeFileSync(path, '{"text":"\\ud800"}\n'),
  },
  {
    what: 'values nested 100 000 deep',
    code: 'data.bad-record',
    says: 'line 1: expected values nested at most 64 deep',
    make: (path) => writeFileSync(path, `{"text":"a","more":${'['.repeat(100_000)}\n`),
  },
  {
    what: 'bytes that are no UTF-8, but that some terminals obey',
    code: 'data.not-utf8',
    says: 'line 1, after byte 9 of it',
    make: (path) => writeFileSync(path, Buffer.from('{"text":"\x9b2J"}\n', 'latin1')),
  },
  {
    what: 'a file cut in the middle of a record',
    code: 'data.bad-record',
    says: 'line 2: expected',
    make: (path) => writeFileSync(path, '{"text":"a"}\n{"text":"b'),
  },
];

describe('mft train --data', () => {
  test.each(DATA.map((bad) => [bad.what, bad] as const))('%s', async (_, { code, says, make }) => {
    const path = join(scratch, 'data.jsonl');
    make(path);
    const { exitCode, stdout, stderr } = await preview(path);
    expect([exitCode, stdout]).toEqual([2, '']);
    expectWords(stderr, code, 'data.jsonl');
    expect(stderr).toContain(says);
    expect(everything()).toEqual(before);
  });
});

const TEMPLATES = [
  [
    'that does not end',
    '{% for i in range(1000000000) %}{% for j in range(1000000000) %}{% endfor %}{% endfor %}',
  ],
  [
    'that grows',
    "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
  ],
] as const;

describe('a chat template', () => {
  test.each(TEMPLATES)('%s', async (_, template) => {
    const [data, jinja] = [join(scratch, 'chat.jsonl'), join(scratch, 'bad.jinja')];
    writeFileSync(data, '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n');
    writeFileSync(jinja, template);
    const { exitCode, stdout, stderr } = await preview(data, '--set', `data.chat_template=${jinja}`);
    expect([exitCode, stdout]).toEqual([2, '']);
    expectWords(stderr, 'data.chat-template', 'bad.jinja');
    expect(stderr).toMatch(
      /was stopped: it (does not end|takes over 256 MB of memory)|invalid string length/i,
    );
    expect(everything()).toEqual(before);
  });
});
