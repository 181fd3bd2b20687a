import { expect, test } from 'vitest';
import { Terminal } from './terminal.ts';

function typing(...pieces: string[]) {
  const queue = pieces.map((piece) => Buffer.from(piece));
  const screen: string[] = [];
  const terminal = new Terminal({ read: async () => queue.shift() ?? null }, async (data) => {
    screen.push(data.toString());
  });
  return { terminal, screen };
}

test('lines are echoed, edited and handed over whole', async () => {
  const { terminal, screen } = typing('ec', 'hx\x7fo a\rsecond\n');
  expect(String(await terminal.read())).toBe('echo a\n');
  expect(String(await terminal.read())).toBe('second\n');
  expect(await terminal.read()).toBeNull();
  expect(screen.join('')).toBe('echx\b \bo a\r\nsecond\r\n');
});

test('^D ends input once, ^C interrupts and throws typed-ahead lines away', async () => {
  const { terminal } = typing('one\r\x04two\r');
  expect(String(await terminal.read())).toBe('one\n');
  expect(await terminal.read()).toBeNull();
  expect(String(await terminal.read())).toBe('two\n');

  const second = typing('lost\rhalf\x03');
  let interrupts = 0;
  second.terminal.onInterrupt = () => {
    interrupts += 1;
  };
  await new Promise((resolve) => setImmediate(resolve));
  expect(await second.terminal.read()).toBeNull();
  expect(interrupts).toBe(1);
});

test('output gets carriage returns', async () => {
  const { terminal, screen } = typing();
  await terminal.print(Buffer.from('a\nb\r\nc'));
  expect(screen.join('')).toBe('a\r\nb\r\nc');
});
