/**
 * A benchmark as training data: prompt and completion of each question, the prompt as an evaluation without examples shows it and
 * the completion what it scores highest when it is right, so that what is learned is what is measured.
 */
import { open, rename, rm } from 'node:fs/promises';
import { ExitCode, MftError } from '../base/errors.ts';
import { taskRecords } from './task-file.ts';
import type { Benchmark, Split } from './types.ts';

export interface TrainingRequest {
  benchmark: Benchmark;
  /** Folders, or files of them. */
  paths: readonly string[];
  split?: Split | undefined;
  /** Questions of each group; default: all. */
  limit?: number | undefined;
}

/**
 * Writes JSON Lines of {"prompt", "completion"} to a new file, all of them or none.
 *
 * @returns how many
 * @throws MftError data.*, file.exists
 */
export async function writeTrainingFile(request: TrainingRequest, target: string): Promise<number> {
  const partial = `${target}.partial`;
  const out = await open(target, 'wx').catch((cause: unknown) => {
    throw notMade(target, cause);
  });
  await out.close(); // the name is ours
  try {
    const records = await writeRecords(request, partial);
    await rename(partial, target);
    return records;
  } catch (error) {
    await rm(partial, { force: true });
    await rm(target, { force: true });
    throw error;
  }
}

async function writeRecords({ paths, ...shared }: TrainingRequest, partial: string): Promise<number> {
  const out = await open(partial, 'w');
  let records = 0;
  try {
    for (const path of paths) {
      let prefix = '';
      for await (const record of taskRecords({ ...shared, path, shots: 0 })) {
        if ('prefix' in record) prefix = record.prefix;
        else {
          const { context, choices, answer } = record;
          const line = { prompt: prefix + context, completion: ` ${choices[answer]}` };
          await out.write(`${JSON.stringify(line)}\n`);
          records += 1;
        }
      }
    }
    await out.sync();
  } finally {
    await out.close();
  }
  if (records > 0) return records;
  throw new MftError(`${paths.join(' ')} has no question`, {
    code: 'data.empty',
    exit: ExitCode.usage,
    suggestions: ['Check the path, --split and --limit.'],
  });
}

function notMade(target: string, cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') return cause;
  return new MftError(`${target} is there already`, {
    code: 'file.exists',
    exit: ExitCode.usage,
    suggestions: ['Give another --out, or delete it first.'],
    cause,
  });
}
