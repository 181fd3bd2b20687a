import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { ChatTemplate } from './chat/template.ts';
import { formatOf, inspectDataFile } from './data-file.ts';
import { renderConversations } from './render-file.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mft-data-file-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const rules = { vocabSize: 100 };

async function file(name: string, content: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

async function failure(promise: Promise<unknown>): Promise<MftError> {
  const thrown = await promise.catch((error: unknown) => error);
  if (!(thrown instanceof MftError)) throw new Error(`expected an MftError, not ${String(thrown)}`);
  return thrown;
}

test('records are counted and every byte is hashed, wherever a chunk ends', async () => {
  // Lines of many lengths over more than two chunks of 1 MiB, with characters of four bytes on their borders.
  const lines = Array.from({ length: 3000 }, (_, i) => JSON.stringify({ text: '🎣č'.repeat(i % 257) }));
  const content = `${lines.join('\n')}\n\n`;
  const path = await file('many.jsonl', content);
  expect(await formatOf(path)).toBe('texts');
  expect(await inspectDataFile(path, 'texts', rules)).toEqual({
    path,
    bytes: Buffer.byteLength(content),
    sha256: createHash('sha256').update(content).digest('hex'),
    format: 'texts',
    records: 3000,
  });
  const broken = `${lines.slice(0, 2500).join('\n')}\n{"text": 1}\n`;
  const error = await failure(inspectDataFile(await file('broken.jsonl', broken), 'texts', rules));
  expect(error.message).toContain('broken.jsonl line 2501: expected a string');
});

test('a line of a gigabyte is refused for what 64 MiB of it cost', async () => {
  const path = join(dir, 'huge.jsonl');
  const handle = await open(path, 'w');
  await handle.write('{"text": "');
  await handle.truncate(2 ** 30); // a hole: it takes no disk
  await handle.close();
  const before = process.memoryUsage().rss;
  const error = await failure(formatOf(path));
  expect(error.code).toBe('data.bad-record');
  expect(error.message).toContain('huge.jsonl line 1: expected a line of at most 67108864 bytes');
  expect(process.memoryUsage().rss - before).toBeLessThan(400 << 20);
  // Without a name that says JSON it is text.
  const text = join(dir, 'huge.txt');
  await writeFile(text, Buffer.alloc((64 << 20) + 1, '{'));
  expect(await formatOf(text)).toBe('text');
});

test('a text is a text', async () => {
  const path = await file('notes.txt', 'one\ntwo\n');
  expect(await formatOf(path)).toBe('text');
  expect(await inspectDataFile(path, 'text', rules)).toMatchObject({ format: 'text', records: 0, bytes: 8 });
});

/** Leaves the thinking out of all but the last answer: no pieces can say so. */
const THINKING =
  "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}{{ '<|' + m.role + '|>' }}{% if m.role == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}{{ m.content + '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";
const template = () =>
  new ChatTemplate({ text: THINKING, place: 'thinking.jinja', tokens: {}, special: ['<|end|>'] });
const chat = (...messages: [string, string][]) =>
  JSON.stringify({ messages: messages.map(([role, content]) => ({ role, content })) });

test('conversations are rendered into segments', async () => {
  using thinking = template();
  expect((await thinking.compile()).refusal).toBeDefined();
  const path = await file(
    'chats.jsonl',
    `${chat(['user', 'four?'], ['assistant', '4'])}\n\n${chat(['user', '日本'])}\n`,
  );
  const target = join(dir, 'rendered.jsonl');
  const rendered = await renderConversations(path, thinking, target, rules);
  const written = await readFile(target, 'utf8');
  expect(
    written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    {
      segments: [
        { text: '<|user|>four?<|end|>\n<|assistant|>', label: false },
        { text: '<think></think>4<|end|>', label: true },
        { text: '\n', label: false },
      ],
    },
    { segments: [{ text: '<|user|>日本<|end|>\n', label: false }] },
  ]);
  expect(rendered).toEqual(await inspectDataFile(target, await formatOf(target), rules));
});

test('a conversation that can not be rendered is named by its line, and nothing is left', async () => {
  using thinking = template();
  const good = chat(['user', 'a'], ['assistant', 'b']);
  for (const [line, code, expected] of [
    [
      chat(['tool', 'x']),
      'data.chat-template',
      'line 2: the chat template (thinking.jinja) refuses the conversation: no tools',
    ],
    [
      chat(['user', 'a'], ['assistant', 'b'], ['user', 'c'], ['assistant', 'd']),
      'data.bad-record',
      'line 2: expected a conversation in which each answer is written as it is without',
    ],
    ['{"messages": 1}', 'data.bad-record', 'line 2: expected a list in field "messages"'],
  ] as const) {
    const path = await file('bad.jsonl', `${good}\n${line}\n`);
    const error = await failure(renderConversations(path, thinking, join(dir, 'bad-out.jsonl'), rules));
    expect(error.code).toBe(code);
    expect(error.message).toContain(`bad.jsonl ${expected}`);
    expect(await readdir(dir)).not.toContain('bad-out.jsonl');
  }
});
