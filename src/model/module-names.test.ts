import { expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { matchWhole, patternKeys } from './module-names.ts';

const paths = [
  'model.layers.0.self_attn.q_proj',
  'model.layers.1.self_attn.q_proj',
  'model.layers.10.mlp.up_proj',
];

test('an expression means whole paths', () => {
  expect(matchWhole('.*\\.(q|v)_proj', paths)).toEqual([true, true, false]);
  expect(matchWhole('q_proj', paths)).toEqual([false, false, false]);
  expect(matchWhole('model|.*up_proj', paths)).toEqual([false, false, true]);
  expect(matchWhole('.*layers\\.1\\..*', paths)).toEqual([false, true, false]);
});

test('a key means a path or its end behind a dot; the first that does counts', () => {
  expect(patternKeys(['1.self_attn.q_proj', 'q_proj', 'proj'], paths)).toEqual([
    'q_proj',
    '1.self_attn.q_proj',
    undefined,
  ]);
  expect(patternKeys(['^model\\.layers\\.0\\..*', '(up|q)_proj'], paths)).toEqual([
    '^model\\.layers\\.0\\..*',
    '(up|q)_proj',
    '(up|q)_proj',
  ]);
  expect(patternKeys(['0.mlp.up_proj'], paths)).toEqual([undefined, undefined, undefined]);
});

test.each([
  ['Python has it, JavaScript has not', '(?P<kind>q|v)_proj'],
  ['Python reads it as a flag', '(?i)Q_PROJ'],
  ['brackets that only the surrounding ones would close', 'a)|(b'],
  ['not closed', '(q_proj'],
  ['too long', 'a'.repeat(5000)],
  ['backtracks without end', '(a+)+$'],
])('refused: %s', (_what, source) => {
  for (const use of [
    () => matchWhole(source, ['a'.repeat(64).concat('b')]),
    () => patternKeys([`${source}\\b`], ['a'.repeat(64).concat('-')]),
  ])
    try {
      use();
      throw new Error('it was taken');
    } catch (error) {
      expect(error).toBeInstanceOf(MftError);
      expect((error as MftError).code).toBe('model.bad-pattern');
    }
});
