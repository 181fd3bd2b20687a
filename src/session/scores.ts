import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import type { ScoredQuestion } from '../eval/index.ts';
import type { RunStore } from '../runs/index.ts';

/** The questions of a multiple choice that a run has scored so far, in the order of its data. */
export function scoredQuestions(store: RunStore, id: string): ScoredQuestion[] {
  const byIndex = new Map<number, ScoredQuestion>();
  for (const { event } of store.events(id)) {
    if (!event.choiceScored) continue;
    const { index, group, logLikelihoods, characters, answer, predicted, predictedNorm } = event.choiceScored;
    byIndex.set(index, {
      index,
      group,
      log_likelihoods: [...logLikelihoods],
      characters: [...characters],
      answer,
      predicted,
      predicted_norm: predictedNorm,
    });
  }
  return [...byIndex.values()].sort((a, b) => a.index - b.index);
}

/** JSON Lines, a question each; there only when whole. @throws MftError file.not-written */
export async function writeScores(questions: readonly ScoredQuestion[], file: string): Promise<void> {
  const partial = `${file}.partial`;
  try {
    await pipeline(
      Readable.from(questions.map((question) => `${JSON.stringify(question)}\n`)),
      createWriteStream(partial),
    );
    await rename(partial, file);
  } catch (cause) {
    await rm(partial, { force: true });
    throw new MftError(`${file} can't be written: ${messageOf(cause)}`, {
      code: 'file.not-written',
      exit: ExitCode.usage,
      suggestions: ['Name a file in a folder that you can write to: --out scores.jsonl'],
      cause,
    });
  }
}
