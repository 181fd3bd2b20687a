/** A question of a benchmark as its prompt shows it. */
export interface Item {
  /** Ends where the answer begins; the continuation is a blank and a choice. */
  context: string;
  choices: string[];
  /** Index of the right one. */
  answer: number;
}

/** Questions that belong together: a subject of MMLU; all of them elsewhere. */
export interface Group {
  /** Shown in reports; empty where there is only one. */
  name: string;
  /** File with the questions that are asked. */
  questions: string;
  /** File that the examples (`--shots`) are taken from. */
  examples: string;
}

/** A published benchmark: which files it has, and what its prompt is. */
export interface Benchmark {
  name: string;
  title: string;
  /**
   * The groups that a folder, or one file of it, has.
   *
   * @throws MftError data.not-found
   */
  groups(path: string, split: Split | undefined): Promise<Group[]>;
  /** What stands before everything else. */
  description?(group: string): string;
  /** The questions of a file. @throws MftError data.bad-record, data.not-utf8, data.not-found */
  read(file: string): AsyncIterable<Item>;
}

export const SPLITS = ['train', 'validation', 'test'] as const;
export type Split = (typeof SPLITS)[number];
