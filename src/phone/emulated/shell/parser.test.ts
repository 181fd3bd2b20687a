import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from './parser.ts';
import { SyntaxProblem } from './scanner.ts';

describe('parse', () => {
  test.each([
    'echo "unclosed',
    "echo 'unclosed",
    'echo $(',
    'if true; then',
    'for x in a; do echo',
    '| cat',
    'a &&',
    'case x in a) b',
    ')',
    'echo ${x',
    '{ echo',
    'cat <<EOF',
  ])('%s is a syntax error', (source) => {
    expect(() => parse(source)).toThrow(SyntaxProblem);
  });

  test('any text is parsed or refused, in reasonable time', () => {
    const pieces = fc.constantFrom(
      ...[
        'echo',
        ' ',
        ';',
        '&',
        '&&',
        '||',
        '|',
        '(',
        ')',
        '{',
        '}',
        '"',
        "'",
        '`',
        '$',
        '$(',
        '$((',
        '))',
        '${',
        'x',
        '=',
        '<',
        '>',
      ],
      ...[
        'if ',
        'then ',
        'fi',
        'for ',
        'in ',
        'do ',
        'done',
        'while ',
        'case ',
        'esac',
        ';;',
        '\n',
        '\\',
        '#',
        '*',
        '2>&1',
        '!',
      ],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        try {
          parse(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxProblem);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
