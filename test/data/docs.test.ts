/** The examples of docs/data.md, run as they stand there; and that files on the phone are read as files here are. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createModel } from '../../src/model/index.ts';
import { mft } from '../../src/protocol/index.ts';
import { RunStore } from '../../src/runs/index.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { curveBits } from '../support/training.ts';
import { modelFolder } from '../tokenizer/models.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/data.md'), 'utf8');
const cli = join(import.meta.dirname, '../support/cli.ts');

/** Files: "`name`:" and an indented block. Commands: indented lines that begin with "$ mft". */
const files = [...page.matchAll(/^`([\w.]+)`:\n\n((?: {4}.*\n)+)/gm)].map(([, name = '', block = '']) => ({
  name,
  content: block.replace(/^ {4}/gm, ''),
}));
const commands = [...page.matchAll(/^ {4}\$ mft (train .*)$/gm)].map(([, line = '']) => line.split(' '));

let rig: Rig;
let home = '';
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mft-docs-'));
  rig = await startRig();
  const shape = { home, hidden: 32, layers: 1, heads: 2, positions: 128, seed: 1 };
  await createModel('gpt2', { ...shape, family: 'gpt2', tokenizer: await modelFolder('tokenizer-gpt2') });
  await createModel('qwen2.5', {
    ...shape,
    family: 'qwen2',
    tokenizer: await modelFolder('tokenizer-qwen2_5'),
  });
  for (const { name, content } of files) writeFileSync(join(home, name), content);
  mkdirSync(join(home, 'gsm8k'));
  writeFileSync(
    join(home, 'gsm8k/train.jsonl'),
    '{"question": "How many legs have two cats?", "answer": "2 * 4 = <<2*4=8>>8\\n#### 8"}\n'.repeat(3),
  );
  // Text needs as many tokens as a row has.
  writeFileSync(
    join(home, 'notes.txt'),
    files.find(({ name }) => name === 'notes.txt')?.content.repeat(200) ?? '',
  );
});
afterAll(async () => {
  await rig?.stop();
  rmSync(home, { recursive: true, force: true });
});

async function train(args: string[]) {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [cli, ...args], {
    cwd: home,
    env: { ...rig.adb.env, MFT_HOME: home, MFT_ADB_SERVER: `127.0.0.1:${rig.adb.port}` },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  return { exitCode, stdout, stderr };
}

/** With a curve to compare: the losses of the run that just ended, as bits. */
async function losses(args: string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await train([...args, '--steps', '2', '--plain']);
  expect(`${exitCode}${stderr}`).toBe('0');
  const id = /^(\S+): lora/m.exec(stdout)?.[1] ?? '';
  const store = RunStore.open(home);
  try {
    return curveBits(store, id);
  } finally {
    store.close();
  }
}

test('there are examples of every format', () => {
  expect(files.map(({ name }) => name)).toEqual([
    'notes.txt',
    'texts.jsonl',
    'pairs.jsonl',
    'chats.jsonl',
    'choices.jsonl',
    'ids.jsonl',
    'segments.jsonl',
  ]);
});

describe('examples', () => {
  const known = [...files.map(({ name }) => name), 'gsm8k/train.jsonl'];
  const onHost = commands.filter(
    (args) => known.includes(args[args.indexOf('--data') + 1] ?? '') && !args.includes('--dry-run'),
  );

  test.each(onHost.map((args) => [args.join(' '), args] as const))('mft %s', async (_, args) => {
    const curve = await losses(args);
    expect(curve).toHaveLength(2);
    // The same file on the phone, recognised there, is trained to the same bits.
    const name = args[args.indexOf('--data') + 1] ?? '';
    await rig.device.push(join(home, name), `/sdcard/${name.replace('/', '-')}`);
    const there = args.map((arg) => (arg === name ? `device:/sdcard/${name.replace('/', '-')}` : arg));
    expect(await losses(there)).toEqual(curve);
  });
});

test('a dry run says how the data is read', async () => {
  const dry = commands.find((args) => args.includes('--dry-run')) ?? [];
  const { stdout } = await train(dry);
  expect(stdout).toContain(
    "# data: messages, 2 records\n# learned: the assistant's messages\n# rows: a record a row",
  );
});

describe('a template that has no pieces', () => {
  beforeAll(() => {
    const loop = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}`;
    writeFileSync(
      join(home, 'thinking.jinja'),
      `${loop}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`,
    );
  });
  const custom = ['--set', 'data.chat_template=thinking.jinja'];

  test('renders a file here', async () => {
    const args = ['train', '--model', 'qwen2.5', '--data', 'chats.jsonl', ...custom];
    expect(await losses(args)).toHaveLength(2);
    const store = RunStore.open(home);
    const [run] = store.list(1);
    store.close();
    const { data } = mft.v1.RunSpec.decode(run?.spec ?? new Uint8Array());
    expect(data?.format).toBe(mft.v1.DataFormat.DATA_FORMAT_SEGMENTS);
    expect(readFileSync(run?.files.find(({ name }) => name === 'data')?.path ?? '', 'utf8')).toContain(
      '<think></think>',
    );
  });

  test('is refused for a file on the phone, as the example shows', async () => {
    await rig.device.push(join(home, 'chats.jsonl'), '/sdcard/chats.jsonl');
    const example = commands.find((args) => args.join(' ').includes('device:')) ?? [];
    const { exitCode, stderr } = await train(example);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("is on the phone, where the model's chat template can't be had");
    expect(stderr).toContain('data.chat-template');
    // Nobody said what the file holds: the phone finds conversations, and the same reason.
    const {
      exitCode: onPhone,
      stdout,
      stderr: failed,
    } = await train(
      [...example.filter((arg) => !arg.includes('data.format')), '--plain'].filter(
        (arg, i, all) => arg !== '--set' || all[i + 1]?.includes('='),
      ),
    );
    expect(onPhone).toBe(5);
    expect(stdout + failed).toContain('data.chat-template');
  });
});
