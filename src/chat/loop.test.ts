import { expect, test } from 'vitest';
import { ExitCode, MftError } from '../base/errors.ts';
import { type Answerer, type AnswerSink, ChatLoop, type LineSource } from './loop.ts';
import type { ChatRenderer } from './renderer.ts';
import type { Reply, ReplyEnd } from './reply.ts';

const reply = (text: string, end: ReplyEnd = 'eos', more: Partial<Reply> = {}): Reply => ({
  ...{ text, end, tokens: text === '' ? 0 : 3, prompt_tokens: 9, reused_tokens: 0 },
  ...{ prefill_ms: 1, duration_ms: 2, tokens_per_second: null },
  ...more,
});

/** Shows a conversation's structure: "s:Be brief. u:Hi a:Hello. u:?" */
const renderer: ChatRenderer = {
  rendered: true,
  template: 'test',
  stop: [],
  async render(messages) {
    const text = messages.map(({ role, content }) => `${role.charAt(0)}:${content}`).join(' ');
    if (!text.includes('refuse')) return text;
    throw new MftError('the template refuses', { code: 'data.chat-template', exit: ExitCode.usage });
  },
  close() {},
};

interface Talk {
  said: string[];
  shown: string[];
  code: ExitCode;
}

/** Lines through a loop; `answer` is the phone, `during` what happens once it was asked. */
async function talk(
  lines: string[],
  answer: (text: string, onText: (piece: string) => void) => Promise<Reply>,
  options: { system?: string; during?: (loop: ChatLoop) => void } = {},
): Promise<Talk> {
  const said: string[] = [];
  const shown: string[] = [];
  let interrupt = () => {};
  const remote: Answerer = {
    start: async () => {},
    say: (text, { onText }) => {
      said.push(text);
      const interrupted = new Promise<Reply>((resolve) => {
        interrupt = () => resolve(reply('so f', 'interrupted'));
      });
      queueMicrotask(() => options.during?.(loop));
      return Promise.race([answer(text, onText), interrupted]);
    },
    interrupt: async () => interrupt(),
  };
  const sink: AnswerSink = {
    text: (piece) => shown.push(piece),
    restarted: () => shown.push('<again>'),
    answered: ({ end }) => shown.push(`<${end}>`),
    failed: ({ code }) => shown.push(`<${code}>`),
    note: (text) => shown.push(text),
    help: () => shown.push('<help>'),
  };
  const source: LineSource = {
    next: async () => lines.shift(),
    redraw: () => shown.push('<redraw>'),
    close() {},
  };
  const loop = new ChatLoop(remote, renderer, sink, { system: options.system });
  await loop.start(() => shown.push('<ready>'));
  return { said, shown, code: await loop.run(source) };
}

const echo = async (text: string, onText: (piece: string) => void) => {
  onText('A');
  return reply(`re(${text.length})`);
};

test('each message brings what was said and answered before it', async () => {
  const { said, shown, code } = await talk(['Hi', '', 'More'], echo, { system: 'Be brief.' });
  expect(said).toEqual(['s:Be brief. u:Hi', 's:Be brief. u:Hi a:re(16) u:More']);
  expect(shown).toEqual(['<ready>', 'A', '<eos>', 'A', '<eos>']);
  expect(code).toBe(ExitCode.ok);
});

test('commands', async () => {
  const { said, shown } = await talk(
    [
      'One',
      '/reset',
      'Two',
      '/system New.',
      'Three',
      '/system',
      '//slash',
      '/help',
      '/what now',
      '/exit',
      'never',
    ],
    async () => reply('ok'),
    { system: 'Old.' },
  );
  expect(said).toEqual([
    's:Old. u:One',
    's:Old. u:Two',
    's:New. u:Two a:ok u:Three',
    'u:Two a:ok u:Three a:ok u:/slash',
  ]);
  expect(shown.filter((text) => text.startsWith('<chat') || text === '<help>')).toEqual([
    '<help>',
    '<chat.unknown-command>',
  ]);
});

test('what could not be answered is no part of the conversation, which goes on', async () => {
  const answers = [
    () => Promise.resolve(reply('', 'context_full')),
    () => Promise.reject(new MftError('no', { code: 'chat.refused', exit: ExitCode.runFailed })),
    () => Promise.resolve(reply('', 'interrupted')),
    () => Promise.resolve(reply('cut', 'context_full')),
    () => Promise.resolve(reply('yes')),
  ];
  const { said, shown } = await talk(
    ['long', 'odd', 'refuse', 'stopped', 'a', 'b'],
    () => answers.shift()?.() ?? echo('', () => {}),
  );
  expect(said).toEqual(['u:long', 'u:odd', 'u:stopped', 'u:a', 'u:a a:cut u:b']);
  expect(shown).toEqual([
    ...['<ready>', '<chat.context-full>', '<chat.refused>', '<data.chat-template>', '<interrupted>'],
    ...['<context_full>', '<eos>'],
  ]);
});

test('other errors end it', async () => {
  const lost = new MftError('lost', { code: 'session.lost-contact', exit: ExitCode.lostContact });
  await expect(talk(['a', 'b'], () => Promise.reject(lost))).rejects.toBe(lost);
  await expect(talk(['a'], echo, { system: 'refuse' })).rejects.toMatchObject({ code: 'data.chat-template' });
});

test('^C stops an answer, and what was written stays', async () => {
  let pressed = 0;
  const during = (loop: ChatLoop) => {
    pressed += 1;
    if (pressed === 1) loop.interrupt();
  };
  const never = new Promise<Reply>(() => {});
  const answers = [never, Promise.resolve(reply('b'))];
  const { said, code } = await talk(['one', 'two'], () => answers.shift() ?? never, { during });
  expect(said).toEqual(['u:one', 'u:one a:so f u:two']);
  expect(code).toBe(ExitCode.ok);
});

test('^C twice leaves, in the middle of an answer too', async () => {
  const during = (loop: ChatLoop) => {
    loop.interrupt();
    loop.interrupt();
  };
  const { code } = await talk(['one', 'two'], () => new Promise(() => {}), { during });
  expect(code).toBe(ExitCode.interrupted);
});

test('^C at rest asks once more', async () => {
  const shown: string[] = [];
  const silent = { text() {}, restarted() {}, answered() {}, failed() {}, help() {} };
  const remote: Answerer = { start: async () => {}, say: () => Promise.reject(), interrupt: async () => {} };
  const loop = new ChatLoop(remote, renderer, { ...silent, note: (text) => shown.push(text) });
  await loop.start(() => {});
  const running = loop.run({
    next: () => new Promise(() => {}),
    redraw: () => shown.push('<redraw>'),
    close: () => shown.push('<close>'),
  });
  loop.interrupt();
  expect(shown).toEqual(['(^C again ends, so does ^D)', '<redraw>']);
  loop.interrupt();
  expect(await running).toBe(ExitCode.interrupted);
  expect(shown.at(-1)).toBe('<close>');
});
