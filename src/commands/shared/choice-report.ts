import { type Accuracy, type ChoiceReport, reportOf, type ScoredQuestion } from '../../eval/index.ts';
import { table } from '../../ui/table.ts';

/** Accuracies for people: a line a group, and one of all. */
export function choiceLines(questions: readonly ScoredQuestion[]): string[] {
  const { groups, total } = reportOf(questions);
  const head = ['group', 'questions', 'acc', '±', 'acc_norm', '±'];
  return table(head, [...groups.map((group) => row(group.group, group)), row('all', total)]);
}

function row(name: string, { questions, acc, acc_stderr, acc_norm, acc_norm_stderr }: Accuracy): string[] {
  const share = (value: number) => value.toFixed(4);
  return [name, String(questions), share(acc), share(acc_stderr), share(acc_norm), share(acc_norm_stderr)];
}

export interface ChoiceRecord extends ChoiceReport {
  scores: readonly ScoredQuestion[];
}

/** The same for `--json`, with every question. */
export function choiceRecord(questions: readonly ScoredQuestion[]): ChoiceRecord {
  return { ...reportOf(questions), scores: questions };
}
