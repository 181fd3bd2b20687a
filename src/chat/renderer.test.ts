import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Conversation } from './conversation.ts';
import { openRenderer } from './renderer.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mft-renderer-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const CHATML =
  '{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}' +
  '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';

test("a model's own template, whose end of turn ends an answer", async () => {
  writeFileSync(join(dir, 'chat_template.jinja'), CHATML);
  writeFileSync(
    join(dir, 'tokenizer_config.json'),
    JSON.stringify({
      eos_token: '<|endoftext|>',
      added_tokens_decoder: {
        1: { content: '<|im_start|>', special: true },
        2: { content: '<|im_end|>', special: true },
      },
    }),
  );
  const renderer = await openRenderer({ dir });
  try {
    expect(renderer).toMatchObject({
      rendered: true,
      template: 'chat_template.jinja',
      stop: ['<|im_end|>'],
    });
    const conversation = new Conversation('Be brief.');
    conversation.answered('Hi', 'Hello!');
    expect(await renderer.render(conversation.with('And?'))).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n' +
        '<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n',
    );
    conversation.reset();
    conversation.setSystem(' ');
    expect(await renderer.render(conversation.with('And?'))).toBe(
      '<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n',
    );
  } finally {
    renderer.close();
  }
});

test('a file in its place', async () => {
  const file = join(dir, 'other.jinja');
  writeFileSync(file, '{% for m in messages %}{{ m.content }}|{% endfor %}');
  const renderer = await openRenderer({ dir }, file);
  try {
    expect(renderer).toMatchObject({ template: file, stop: [] });
    expect(await renderer.render(new Conversation().with('a'))).toBe('a|');
  } finally {
    renderer.close();
  }
});

test('without a template a conversation is one text, and knows no system message', async () => {
  const renderer = await openRenderer({ dir });
  expect(renderer).toMatchObject({ rendered: false, template: undefined, stop: [] });
  const conversation = new Conversation();
  conversation.answered('Call me', ' Ishmael.');
  expect(await renderer.render(conversation.with('Some years'))).toBe('Call me Ishmael.\nSome years');
  conversation.setSystem('Be brief.');
  await expect(renderer.render(conversation.with('a'))).rejects.toMatchObject({ code: 'data.chat-template' });
});
