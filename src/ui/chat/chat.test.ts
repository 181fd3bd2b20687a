import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { ExitCode, MftError } from '../../base/errors.ts';
import type { Reply } from '../../chat/reply.ts';
import { pipedInput, terminalInput } from './input.ts';
import { jsonOutput, plainOutput } from './output.ts';

const reply: Reply = {
  ...{ text: 'Hi', end: 'eos', tokens: 2, prompt_tokens: 9, reused_tokens: 4 },
  ...{ prefill_ms: 120, duration_ms: 320, tokens_per_second: 10 },
};
const opening = { run: 'r', model: 'm', device: 'd', context_length: 64, seed: 1, template: null };

test('a pipe gives its lines, then its end', async () => {
  const stream = new PassThrough();
  const input = pipedInput(stream);
  const first = input.next();
  stream.write('one\r\ntw');
  stream.end('o\n\nlast');
  expect(await first).toBe('one');
  expect([await input.next(), await input.next(), await input.next(), await input.next()]).toEqual([
    ...['two', '', 'last', undefined],
  ]);
});

/** A terminal, as far as reading lines needs one. */
function terminal() {
  const modes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), { setRawMode: (raw: boolean) => modes.push(raw) });
  const stdout = new PassThrough();
  const shown: string[] = [];
  stdout.on('data', (chunk: Buffer) => shown.push(chunk.toString()));
  return { stdin, stdout, modes, shown };
}

test('a terminal is raw only while a line is typed; what was pasted comes line by line', async () => {
  const { stdin, stdout, modes } = terminal();
  const input = terminalInput(stdin, stdout, '> ', () => {});
  const first = input.next();
  expect(modes.at(-1)).toBe(true);
  stdin.write('one\rtwo\r');
  expect(await first).toBe('one');
  expect(modes.at(-1)).toBe(false);
  const before = modes.length;
  expect(await input.next()).toBe('two');
  expect(modes.length).toBe(before); // it was there
  const third = input.next();
  expect(modes.at(-1)).toBe(true);
  stdin.write('\u0004');
  expect(await third).toBeUndefined();
});

test('^C at a terminal is told, and the line can be asked for again', async () => {
  const { stdin, stdout, shown } = terminal();
  let pressed = 0;
  const input = terminalInput(stdin, stdout, '> ', () => {
    pressed += 1;
    input.redraw();
  });
  const line = input.next();
  stdin.write('\u0003');
  await new Promise((resolve) => setImmediate(resolve));
  expect(pressed).toBe(1);
  expect(shown.join('').match(/> /g)?.length).toBe(2);
  input.close();
  expect(await line).toBeUndefined();
});

function plain(verbose: boolean) {
  const out: string[] = [];
  const aside: string[] = [];
  const output = plainOutput(
    (text) => out.push(text),
    (text) => aside.push(text),
    { verbose, interactive: false },
  );
  return { output, out, aside };
}

test('answers go to one side, everything else to the other', () => {
  const { output, out, aside } = plain(true);
  output.opened(opening);
  output.text('H');
  output.text('i\u001b[2J');
  output.answered(reply);
  output.answered({ ...reply, text: '', end: 'interrupted' });
  output.text('half');
  output.failed(
    new MftError('no', { code: 'chat.refused', exit: ExitCode.runFailed, suggestions: ['/reset'] }),
  );
  expect(out.join('')).toBe('Hi\u241b[2J\n\nhalf\n'); // no escape sequence reaches the terminal
  expect(aside.join('')).toContain('no chat template');
  expect(aside.join('')).toContain('(2 tokens, 10 tokens/s; prompt 9 tokens, 4 of them in the cache, 0.1 s)');
  expect(aside.join('')).toContain('(stopped)');
  expect(aside.join('')).toContain('Error: no (chat.refused)\n  try: /reset\n');
});

test('JSON lines', () => {
  const lines: string[] = [];
  const output = jsonOutput((text) => lines.push(text));
  output.opened(opening);
  output.text('a\nb');
  output.restarted();
  output.answered(reply);
  output.failed(new MftError('no', { code: 'chat.refused', exit: ExitCode.runFailed }));
  output.closed();
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { type: 'chat', ...opening },
    { type: 'text', text: 'a\nb' },
    { type: 'restart' },
    { type: 'answer', ...reply },
    { type: 'error', code: 'chat.refused', message: 'no', suggestions: [] },
    { type: 'end', outcome: 'ended' },
  ]);
  for (const line of lines) expect(line.endsWith('\n')).toBe(true);
});
