import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandLine, quote } from './quote.ts';

/** What a real shell makes of a command line, as the arguments that a program gets. */
function argumentsSeenBySh(words: string[]): string[] {
  const printed = execFileSync('sh', ['-c', commandLine(['printf', '%s\\0', ...words])]).toString();
  return printed.split('\0').slice(0, -1);
}

test('a shell gives every word back as it was', () => {
  const hostile = [
    "it's",
    '"double"',
    '$HOME',
    '`id`',
    '$(id)',
    'a\nb\n',
    ' blank ',
    '',
    '-rf',
    '--',
    '*',
    '~',
    '\\',
    "\\'",
    'A=b',
    'if',
    '; rm -rf /',
    'größe 日本 🤖',
    '\x1b[31m',
  ];
  expect(argumentsSeenBySh(hostile)).toEqual(hostile);
});

test('any words at all', () => {
  const word = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
      expect(argumentsSeenBySh(words)).toEqual(words);
    }),
    { numRuns: 60 },
  );
});

test('a NUL is refused, not cut', () => {
  expect(() => quote('a\0b')).toThrow(expect.objectContaining({ code: 'adb.nul-in-argument', exit: 2 }));
});

test('an empty command line is refused', () => {
  expect(() => commandLine([])).toThrow(RangeError);
});
