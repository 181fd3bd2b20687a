import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { MftError } from '../../base/errors.ts';
import { renderPieces } from './pieces.ts';
import { segmentsOf, Uncuttable } from './segments.ts';
import { ChatTemplate } from './template.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures/chat');

const message = z.object({ role: z.string(), content: z.string() });
const fixture = z.object({
  template: z.string(),
  tokens: z.record(z.string(), z.string()),
  special: z.array(z.string()),
  conversations: z.array(
    z.object({
      messages: z.array(message),
      error: z.string().optional(),
      text: z.string().default(''),
      asked: z.string().default(''),
    }),
  ),
});

/** scripts/oracle/chat_templates.py wrote them. */
const names = readdirSync(fixtures).filter((name) => name.endsWith('.json'));
const read = (name: string) => fixture.parse(JSON.parse(readFileSync(join(fixtures, name), 'utf8')));
const open = (text: string, tokens: Record<string, string> = {}, special: string[] = []) =>
  new ChatTemplate({ text, place: 'test.jinja', tokens, special });

async function failure(promise: Promise<unknown>): Promise<MftError> {
  const thrown = await promise.catch((error: unknown) => error);
  if (!(thrown instanceof MftError)) throw new Error('expected an MftError');
  return thrown;
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

test('there are templates to compare with', () => {
  expect(names.length).toBeGreaterThanOrEqual(5);
});

describe.each(names)('%s', (name) => {
  const { template: text, tokens, special, conversations } = read(name);

  test('renders as transformers does', async () => {
    using template = open(text, tokens, special);
    for (const { messages, error, text: whole, asked } of conversations) {
      const made = template.render(messages, { addGenerationPrompt: false });
      if (error === undefined) {
        expect(await made).toBe(whole);
        expect(await template.render(messages, { addGenerationPrompt: true })).toBe(asked);
      } else expect((await failure(made)).message).toContain(error);
    }
  });

  test('its pieces say the same, or refuse', async () => {
    using template = open(text, tokens, special);
    const { pieces } = await template.compile();
    if (pieces === undefined) throw new Error('it has no pieces');
    // What Llama 3's first template writes behind every conversation is no part of it.
    const asksAlways = name === 'llama3-always.json';
    let same = 0;
    for (const { messages, error, text: whole, asked } of conversations) {
      const made = renderPieces(pieces, messages, asksAlways);
      if (made.refused !== undefined) continue;
      expect(error).toBeUndefined();
      expect(made.text).toBe(whole);
      expect(renderPieces(pieces, messages, true)).toEqual({ text: asked });
      same += 1;
    }
    expect(same).toBeGreaterThanOrEqual(16);
    expect(special).toContain(pieces.assistant.end);
  });
});

test('pieces of templates of other makes', async () => {
  const loop = (body: string) => `{% for m in messages %}${body}{% endfor %}`;
  // Instructions in brackets, a text without tokens around it, and what is asked for behind a colon.
  using mistral = open(
    loop(
      "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns!') }}{% endif %}{% if m.role == 'user' %}{{ bos_token if loop.first }}{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}",
    ),
    { bos_token: '<s>', eos_token: '</s>' },
    ['<s>', '</s>'],
  );
  const turns = (await mistral.compile()).pieces;
  expect(turns).toMatchObject({
    begin: '<s>',
    alternate: true,
    generationPrompt: '',
    user: { before: '[INST] ', end: ' [/INST]' },
    assistant: { before: ' ', end: '</s>', after: '' },
    system: { supported: false },
  });
  using plain = open(
    `${loop("{{ m.role + ': ' + m.content + '\\n' }}")}{% if add_generation_prompt %}assistant: {% endif %}`,
  );
  expect((await plain.compile()).pieces).toMatchObject({
    generationPrompt: 'assistant: ',
    assistant: { before: 'assistant: ', end: '\n', after: '' },
    alternate: false,
  });
});

describe('templates that pieces cannot express are refused with the reason', () => {
  const chatml = (content: string, head = '') =>
    `${head}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + ${content} + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

  test.each([
    ['a date', chatml('m.content', "{{ 'Today: ' + strftime_now('%d %b %Y') }}"), 'the date of the day'],
    [
      'thinking left out of earlier answers',
      chatml(
        "(m.content if not loop.last or m.role == 'user' else '<think>\\n\\n</think>\\n\\n' + m.content)",
      ),
      'otherwise at the end',
    ],
    [
      'thinking cut out of contents',
      chatml("(m.content.split('</think>')[-1] if m.role == 'assistant' else m.content)"),
      'a message that holds',
    ],
    ['a message that is counted', chatml('m.content', "{{ messages|length ~ ' messages' }}"), 'depends on'],
    [
      'one order only',
      "{% if messages|length > 2 %}{{ raise_exception('short!') }}{% endif %}{% for m in messages %}{{ m.role + m.content }}{% endfor %}",
      'it refuses a second question: short!',
    ],
    ['a switch', chatml("m.content|replace('/no_think', '')"), 'a message that holds "/no_think"'],
    [
      'half the messages',
      "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}",
      'leaves a message out',
    ],
    [
      'white space of one role',
      chatml("(m.content|trim if m.role == 'user' else m.content)"),
      "user's messages alone",
    ],
    ['no Jinja', '{% for m in %}', 'it refuses a user message'],
  ])('%s', async (_, text, reason) => {
    using template = open(text);
    expect((await template.compile()).refusal).toContain(reason);
  });
});

describe('a template that runs away is stopped', () => {
  test.each([
    ['a loop without end', '{% for i in range(10**12) %}{% endfor %}'],
    ['a large range', '{% for i in range(1000000000000) %}{% endfor %}'],
    ['loops in loops', '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'],
    [
      'lists that double',
      '{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}',
    ],
    [
      'texts that double',
      '{% set n = namespace(x="aaaa") %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}',
    ],
    ['brackets in brackets', `{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`],
  ])('%s', async (_, text) => {
    using template = open(text);
    expect((await template.compile()).refusal).toBeDefined();
    const error = await failure(template.render([user('a')], { addGenerationPrompt: false }));
    expect(error.code).toBe('data.chat-template');
    expect(error.message).toContain('test.jinja');
  });

  test('and the next conversation is rendered by a new process', async () => {
    using template = open(
      "{% if messages[0].content == 'x' %}{% for i in range(10**12) %}{% endfor %}{% endif %}ok",
    );
    const render = (content: string) => template.render([user(content)], { addGenerationPrompt: false });
    expect((await failure(render('x'))).message).toContain('does not end');
    expect(await render('y')).toBe('ok');
  });
});

describe('what is learned where no pieces are', () => {
  const special = ['<|im_start|>', '<|im_end|>'];
  const thinking =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

  test('what the answer adds to the rendering that asks for it', async () => {
    using template = open(thinking, {}, special);
    const messages = [user('four?'), assistant('4')];
    expect(await segmentsOf(template, messages)).toEqual([
      { text: '<|im_start|>user\nfour?<|im_end|>\n<|im_start|>assistant\n', label: false },
      { text: '<think>\n\n</think>\n\n4<|im_end|>', label: true },
      { text: '\n', label: false },
    ]);
    expect(await segmentsOf(template, [user('four?')])).toEqual([
      { text: '<|im_start|>user\nfour?<|im_end|>\n', label: false },
    ]);
  });

  test('an answer that is written otherwise once something follows is refused', async () => {
    using template = open(thinking, {}, special);
    const messages = [user('a'), assistant('b'), user('c'), assistant('d')];
    await expect(segmentsOf(template, messages)).rejects.toThrow(Uncuttable);
    await expect(segmentsOf(template, [assistant('b')])).rejects.toThrow(Uncuttable);
  });
});
