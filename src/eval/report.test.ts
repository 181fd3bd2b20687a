import { expect, test } from 'vitest';
import { reportOf, type ScoredQuestion } from './report.ts';

function question(group: string, predicted: number, predicted_norm: number, index = 0): ScoredQuestion {
  return {
    index,
    group,
    log_likelihoods: [-1, -2],
    characters: [1, 1],
    answer: 1,
    predicted,
    predicted_norm,
  };
}

test('accuracy by group and of all questions alike, with standard errors', () => {
  const { groups, total } = reportOf([
    question('b', 1, 0),
    question('a', 0, 1),
    question('b', 0, 1),
    question('b', 1, 1),
  ]);
  expect(groups.map(({ group, questions, acc, acc_norm }) => [group, questions, acc, acc_norm])).toEqual([
    ['b', 3, 2 / 3, 2 / 3],
    ['a', 1, 0, 1],
  ]);
  expect(total).toMatchObject({ questions: 4, acc: 0.5, acc_norm: 0.75 });
  // The sample's standard deviation over the square root of n.
  expect(total.acc_stderr).toBeCloseTo(Math.sqrt((4 * 0.25) / 3 / 4), 12);
  expect(total.acc_norm_stderr).toBeCloseTo(0.25, 12);
});

test('one group is no table, one question has no error', () => {
  expect(reportOf([question('', 1, 1)])).toEqual({
    groups: [],
    total: { questions: 1, acc: 1, acc_norm: 1, acc_stderr: 0, acc_norm_stderr: 0 },
  });
});
