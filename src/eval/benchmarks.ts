import { arcChallenge, arcEasy } from './arc.ts';
import { hellaswag } from './hellaswag.ts';
import { mmlu } from './mmlu.ts';
import { piqa } from './piqa.ts';
import { qnli } from './qnli.ts';
import type { Benchmark } from './types.ts';

const ALL = [mmlu, arcEasy, arcChallenge, hellaswag, piqa, qnli];

/** By the name that `--task` takes. */
export const benchmarks: ReadonlyMap<string, Benchmark> = new Map(ALL.map((task) => [task.name, task]));
