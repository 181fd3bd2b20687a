/** From the scores of single questions to accuracies. */

/** One question, as the phone scored it. */
export interface ScoredQuestion {
  index: number;
  group: string;
  /** Nats, of each choice. */
  log_likelihoods: number[];
  /** Code points of each choice. */
  characters: number[];
  answer: number;
  predicted: number;
  predicted_norm: number;
}

export interface Accuracy {
  questions: number;
  /** Share of questions whose right choice has the highest log-likelihood. */
  acc: number;
  /** The same with log-likelihoods divided by the choice's code points. */
  acc_norm: number;
  /** Standard error of acc and of acc_norm: that of a mean, with n - 1; 0 for a single question. */
  acc_stderr: number;
  acc_norm_stderr: number;
}

export interface GroupAccuracy extends Accuracy {
  group: string;
}

export interface ChoiceReport {
  /** In the order of the data; empty when there is only one. */
  groups: GroupAccuracy[];
  /** Of all questions alike, however many a group has. */
  total: Accuracy;
}

export function reportOf(questions: readonly ScoredQuestion[]): ChoiceReport {
  const byGroup = Map.groupBy(questions, ({ group }) => group);
  const groups = [...byGroup].map(([group, of]) => ({ group, ...accuracy(of) }));
  return { groups: groups.length > 1 ? groups : [], total: accuracy(questions) };
}

function accuracy(questions: readonly ScoredQuestion[]): Accuracy {
  const n = questions.length;
  const share = (right: (question: ScoredQuestion) => boolean) =>
    questions.filter(right).length / Math.max(n, 1);
  const stderr = (p: number) => (n > 1 ? Math.sqrt((p * (1 - p)) / (n - 1)) : 0);
  const acc = share(({ answer, predicted }) => predicted === answer);
  const acc_norm = share(({ answer, predicted_norm }) => predicted_norm === answer);
  return { questions: n, acc, acc_norm, acc_stderr: stderr(acc), acc_norm_stderr: stderr(acc_norm) };
}
