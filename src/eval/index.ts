/** Published benchmarks in, accuracies out. Other rooms import from here alone. */
export { benchmarks } from './benchmarks.ts';
export {
  type Accuracy,
  type ChoiceReport,
  type GroupAccuracy,
  reportOf,
  type ScoredQuestion,
} from './report.ts';
export { type TaskFile, type TaskRequest, writeTaskFile } from './task-file.ts';
export { type TrainingRequest, writeTrainingFile } from './training-file.ts';
export { SPLITS, type Split } from './types.ts';
