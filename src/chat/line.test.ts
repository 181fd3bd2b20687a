import { expect, test } from 'vitest';
import { parseLine } from './line.ts';

test.each([
  ['Hello there ', { kind: 'say', text: 'Hello there ' }],
  ['a /reset b', { kind: 'say', text: 'a /reset b' }],
  ['  ', { kind: 'blank' }],
  ['/reset', { kind: 'reset' }],
  [' /exit ', { kind: 'exit' }],
  ['/help', { kind: 'help' }],
  ['/system You are terse. Very.', { kind: 'system', text: 'You are terse. Very.' }],
  ['/system', { kind: 'system', text: '' }],
  ['/reset now', { kind: 'unknown', command: '/reset' }],
  ['/systems', { kind: 'unknown', command: '/systems' }],
  ['/', { kind: 'unknown', command: '/' }],
  ['//etc/hosts', { kind: 'say', text: '/etc/hosts' }],
])('%j', (line, expected) => {
  expect(parseLine(line)).toEqual(expected);
});
