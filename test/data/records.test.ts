/**
 * Data files judged twice: here, before they are pushed, and by the runtime, which reads those that are on the phone
 * already. Both take the same records and say the same of the others.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MftError } from '../../src/base/errors.ts';
import { formatOf, inspectDataFile, type Pieces, type RenamedFields } from '../../src/data/index.ts';
import { mft } from '../../src/protocol/index.ts';
import { textToolPath } from '../tokenizer/support.ts';

const tokenizer = join(import.meta.dirname, '../fixtures/tokenizer/tiny.bin');
/** As tiny.bin has it, and so text_tool's limit of ids. */
const VOCABULARY = 282;

const chatml: Pieces = {
  begin: '',
  defaultSystem: '',
  system: { supported: false, before: '', end: '', after: '' },
  user: { supported: true, before: 'U:', end: '\n', after: '' },
  assistant: { supported: true, before: 'A:', end: '\n', after: '' },
  systemInUser: true,
  systemJoint: '\n',
  trim: true,
  generationPrompt: 'A:',
  alternate: true,
  systemUntrimmed: false,
};

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mft-records-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Verdict {
  code: string;
  message: string;
}

async function here(path: string, fields: RenamedFields): Promise<Verdict | undefined> {
  try {
    const format = await formatOf(path, fields);
    await inspectDataFile(path, format, { fields, vocabSize: VOCABULARY, pieces: chatml });
    return undefined;
  } catch (error) {
    if (!(error instanceof MftError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** What the runtime says of it: "CODE: MESSAGE" and a line of advice. */
function there(path: string, fields: RenamedFields): Verdict | undefined {
  const config = join(folder, 'data.pb');
  const data = mft.v1.DataConfig.create({
    train: { devicePath: path, displayName: basename(path) },
    sequenceLength: 64,
    fields: { names: Object.fromEntries(Object.entries(fields).map(([key, name]) => [key, name ?? key])) },
    chat: chatml,
  });
  writeFileSync(config, mft.v1.DataConfig.encode(data).finish());
  const args = ['records', tokenizer, config, path, join(folder, 'out.tokens')];
  const { status, stderr } = spawnSync(textToolPath(), args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status === 0) return undefined;
  const [, code = '', message = ''] = /^([a-z.0-9-]+): (.*)$/m.exec(stderr) ?? [];
  if (code === '') throw new Error(`text_tool ended with ${status}: ${stderr}`);
  // The records are well-formed; that no row comes of them is seen where they are tokenized.
  return message.includes('there is nothing to learn') ? undefined : { code, message };
}

/** What both say. */
async function judge(
  content: string | Buffer,
  { name = 'x.jsonl', fields = {} }: { name?: string; fields?: RenamedFields } = {},
): Promise<string | undefined> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const ours = await here(path, fields);
  expect(there(path, fields)).toEqual(ours);
  return ours && `${ours.code}: ${ours.message}`;
}

const chat = (...messages: [string, string][]) =>
  JSON.stringify({ messages: messages.map(([role, content]) => ({ role, content })) });
const bad = (what: string) => `data.bad-record: x.jsonl line 1: expected ${what}`;
const inText = 'field "text"';

describe('what both take', () => {
  test.each([
    ['texts', '{"text": "a"}\n{"text": ""}\n'],
    [
      'other fields, of any kind',
      '{"id": 1e3, "text": "a", "more": [{"x": [null, true, -0.5E+2]}], "more": 2}',
    ],
    ['prompts and completions', '{"prompt": "a", "completion": "b"}'],
    ['conversations', chat(['system', 's'], ['user', 'a'], ['assistant', 'b'])],
    ['more in a message', '{"messages": [{"role": "user", "name": null, "content": "a"}]}'],
    ['choices by index', '{"question": "q", "choices": ["a", "b"], "answer": 1}'],
    ['choices by letter', '{"question": "q", "choices": ["a", "b"], "answer": "B"}'],
    ['choices by text', '{"answer": "b", "choices": ["a", "b"], "question": "q"}'],
    ['ids', '{"input_ids": [1, 2, 281]}\n{"labels": [-100, 2], "input_ids": [1, 2]}'],
    ['segments', '{"segments": [{"text": "a", "label": true}, {"label": false, "text": "b"}]}'],
    ['escapes', '{"te\\u0078t": "\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83c\\udfa3 \\u0000"}'],
    ['all of Unicode', '{"text": "žluť 日本 🎣 \u2028 \ufeff \u007f"}'],
    ['blank lines, CRLF, a mark', '\ufeff\r\n  \n{"text": "a"}\r\n\r\n\t{"text": "b"} \r\n'],
    ['a long line', `{"text": "${'long '.repeat(60_000)}"}`],
    ['64 levels', `{"text": "a", "x": ${'['.repeat(63)}${']'.repeat(63)}}`],
  ])('%s', async (_, content) => {
    expect(await judge(content)).toBeUndefined();
  });

  test('other names of fields', async () => {
    const fields = { prompt: 'question', completion: 'answer' };
    expect(await judge('{"question": "a", "answer": "b"}', { fields })).toBeUndefined();
    expect(await judge('{"prompt": "a", "completion": "b"}', { fields })).toContain('data.format');
  });

  test('text, whatever it begins with', async () => {
    for (const content of ['plain\n', '{not json', '{"other": 1}\n', '[1]\n', 'null', '\n\n'])
      expect(await judge(content, { name: 'notes.txt' })).toBeUndefined();
  });
});

describe('what both refuse, in the same words', () => {
  test.each([
    ['', 'data.empty: x.jsonl has no record'],
    ['\n \n', 'data.empty: x.jsonl has no record'],
    ['{"other": 1}', 'data.format: x.jsonl line 1: expected an object with the fields of one format'],
    [
      '{"text": "a", "prompt": "b", "completion": "c"}',
      'data.format: x.jsonl line 1 has the fields of two formats: texts and prompt_completion',
    ],
    ['plain', bad('a value, found another character at byte 1')],
    ['[1]', bad('an object, found a list')],
    ['{"text": 3}', bad(`a string in ${inText}, found a number`)],
    ['{"text": null}', bad(`a string in ${inText}, found null`)],
    ['{"text": "a"}\n{"other": "b"}', `data.bad-record: x.jsonl line 2: expected ${inText}, found none`],
    [
      '{"text": "a"}\r\n\r\n{"text": 1}',
      `data.bad-record: x.jsonl line 3: expected a string in ${inText}, found a number`,
    ],
    ['{"text": "a", "text": "b"}', bad(`${inText} once, found it twice`)],
    ['{"text": "a"} x', bad('the end of the line after the record, found another character at byte 15')],
    ['{"text": "a"', bad('a comma or }, found the end of the line at byte 13')],
    ['{"text": "a', bad('a closing quote, found the end of the line at byte 12')],
    ['{"text": "a",}', bad("a field's name in quotes")],
    ['{"text" "a"}', bad("a colon after a field's name")],
    [
      '{"text": "a\tb"}',
      bad('no control character in a string (write \\n for a line feed), found byte 0x09 at byte 12'),
    ],
    ['{"text": "\\x"}', bad('one of " \\ / b f n r t u after a backslash')],
    ['{"text": "\\u12g4"}', bad('four hexadecimal digits after \\u')],
    ['{"text": "\\ud83c"}', bad('a surrogate pair, found \\uD83C, which is half of a pair')],
    ['{"text": "\\ud83c\\ud83c"}', bad('a surrogate pair, found \\uD83C')],
    ['{"text": "\\udfa3"}', bad('no second half of a surrogate pair without the first, found \\uDFA3')],
    ['{"text": "a", "x": "\\udfa3"}', bad('no second half of a surrogate pair')],
    [
      `{"text": "a", "x": ${'['.repeat(64)}${']'.repeat(64)}}`,
      bad('values nested at most 64 deep, found deeper ones'),
    ],
    ['{"text": "a", "x": 01}', bad('a comma or }')],
    ['{"text": "a", "x": .5}', bad('a value, found another character')],
    ['{"text": "a", "x": 1.}', bad('a digit of a number')],
    ['{"text": "a", "x": tru}', bad('true, found another character')],
    ['{"prompt": "a", "completion": ["b"]}', bad('a string in field "completion", found a list')],
    [chat(), bad('at least one message, found an empty list')],
    [chat(['user', 'a'], ['user', 'b']), bad('an assistant\'s message after a user\'s, found role "user"')],
    [
      chat(['assistant', 'a']),
      bad('a user\'s message first, and after each of the assistant\'s, found role "assistant"'),
    ],
    [
      chat(['user', 'a'], ['system', 'b']),
      bad('a system message as the first only, found one further behind'),
    ],
    [chat(['system', 'a']), bad("a user's message after the system message, found none")],
    [chat(['tool', 'a']), bad('"system", "user" or "assistant" as "role", found another')],
    ['{"messages": [{"role": "user"}]}', bad('"content" in each message of field "messages", found none')],
    [
      '{"messages": [{"role": "user", "content": ["a"]}]}',
      bad('a string in "content" of a message of field "messages", found a list'),
    ],
    [
      '{"messages": [{"role": "user", "content": "a", "content": "b"}]}',
      bad('"content" once in a message of field "messages", found it twice'),
    ],
    ['{"messages": ["a"]}', bad('an object in field "messages", found a string')],
    ['{"question": "q", "choices": ["a"], "answer": 0}', bad('at least 2 choices, found 1')],
    [
      '{"question": "q", "choices": ["a", "b"], "answer": 2}',
      bad('the index of one of the 2 choices, from 0, in field "answer", found another number'),
    ],
    [
      '{"question": "q", "choices": ["a", "b"], "answer": "C"}',
      bad('a letter up to B or one of the choices in field "answer", found another string'),
    ],
    [
      '{"question": "q", "choices": ["B", "x"], "answer": "B"}',
      bad('one meaning of the letter in field "answer"'),
    ],
    [
      '{"question": "q", "choices": ["x", "x"], "answer": "x"}',
      bad('one choice with the text in field "answer", found two'),
    ],
    [
      '{"question": "q", "choices": ["a", "b"], "answer": true}',
      bad('an index, a letter or one of the choices in field "answer", found true or false'),
    ],
    [
      `{"question": "q", "choices": ${JSON.stringify(Array.from({ length: 27 }, String))}, "answer": 0}`,
      bad('at most 26 choices, found more'),
    ],
    [
      '{"input_ids": [1, 282]}',
      bad('ids below 282, the model\'s vocabulary, in field "input_ids", found 282'),
    ],
    ['{"input_ids": [-1]}', bad('ids below 282, the model\'s vocabulary, in field "input_ids", found -1')],
    [
      '{"input_ids": [9223372036854775807]}',
      bad('ids below 282, the model\'s vocabulary, in field "input_ids", found 9223372036854775807'),
    ],
    [
      '{"input_ids": [9223372036854775808]}',
      bad('a whole number in field "input_ids", found another number'),
    ],
    ['{"input_ids": [1.0]}', bad('a whole number in field "input_ids", found another number')],
    ['{"input_ids": ["1"]}', bad('a number in field "input_ids", found a string')],
    ['{"input_ids": [1, 2], "labels": [1]}', bad('2 labels, as many as ids, found 1')],
    [
      '{"input_ids": [1, 2], "labels": [-100, 3]}',
      bad("-100 or the token's own id as a label, found another id as label 1"),
    ],
    ['{"segments": [{"text": "a"}]}', bad('field "label", found none')],
    [
      '{"segments": [{"text": "a", "label": 1}]}',
      bad('true or false in "label" of a segment of field "segments", found a number'),
    ],
  ])('%s', async (content, expected) => {
    expect(await judge(content)).toContain(expected);
  });

  test('bytes that are not UTF-8, by their place in the line', async () => {
    const record = Buffer.concat([
      Buffer.from('{"text": "č\\n'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}'),
    ]);
    expect(await judge(Buffer.concat([Buffer.from('{"text": "ok"}\n'), record]))).toBe(
      'data.not-utf8: x.jsonl is not UTF-8: line 2, after byte 14 of it',
    );
  });

  test('any line, damaged anywhere', async () => {
    const seeds = [
      '{"text": "one \\u00e9\\ud83c\\udfa3 line", "n": [1.5e3, {"a": null}]}',
      '{"prompt": "a\\n", "completion": "č"}',
      chat(['system', 's'], ['user', 'a'], ['assistant', 'b']),
      '{"question": "q", "choices": ["a", "b", "c"], "answer": "B"}',
      '{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}',
      '{"segments": [{"text": "a", "label": true}]}',
    ].map((text) => Buffer.from(text));
    const edit = fc.record({
      seed: fc.constantFrom(...seeds),
      at: fc.nat(200),
      remove: fc.nat(4),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc
          .constantFrom(
            '"',
            '\\',
            '{',
            '}',
            '[',
            ']',
            ',',
            ':',
            '-',
            '0',
            'e',
            '\\u',
            '\\ud800',
            'null',
            '\n',
          )
          .map(Buffer.from),
      ),
    });
    await fc.assert(
      fc.asyncProperty(edit, async ({ seed, at, remove, insert }) => {
        const place = at % (seed.length + 1);
        await judge(Buffer.concat([seed.subarray(0, place), insert, seed.subarray(place + remove)]));
      }),
      {
        numRuns: Number(process.env.MFT_FUZZ_RUNS ?? 200),
        seed: Number(process.env.MFT_FUZZ_SEED ?? 20_260),
      },
    );
  }, 600_000);
});
