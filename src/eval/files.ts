/** Where the files of a published benchmark are: in a folder under the names they were published with, or named one by one. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Group, Split } from './types.ts';

/** Names that the file of each split may have, the most usual first; relative to the folder. */
export type SplitNames = Readonly<Partial<Record<Split, readonly string[]>>>;

export function noFile(message: string, suggestion: string): MftError {
  return new MftError(message, { code: 'data.not-found', exit: ExitCode.usage, suggestions: [suggestion] });
}

/**
 * The questions of one split of a benchmark that is one file a split, and its training file for examples.
 *
 * @param path a folder, or the file with the questions
 */
export async function oneGroup(path: string, names: SplitNames, split: Split): Promise<Group[]> {
  const about = await stat(path).catch(() => undefined);
  if (!about) throw noFile(`there is nothing at ${path}`, 'Check the path given to --data.');
  const folder = about.isDirectory() ? path : dirname(path);
  const questions = about.isDirectory() ? find(folder, names[split]) : path;
  if (questions === undefined)
    throw noFile(
      `${path} has no file for the ${split} split: ${(names[split] ?? []).join(' or ') || 'none was published'}`,
      'Give the file itself: --data FILE',
    );
  return [
    { name: '', questions, examples: find(folder, names.train) ?? join(folder, names.train?.[0] ?? '') },
  ];
}

function find(folder: string, names: readonly string[] = []): string | undefined {
  return names.map((name) => join(folder, name)).find((file) => existsSync(file));
}
