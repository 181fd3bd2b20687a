/**
 * A benchmark as one file of task records (run.proto's ChoiceTask): its prompts are made here, once, and what the phone reads
 * is the same for all of them.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { Benchmark, Group, Item, Split } from './types.ts';

export interface TaskRequest {
  benchmark: Benchmark;
  /** A folder, or a file of it. */
  path: string;
  split?: Split | undefined;
  /** Examples before each question: the first of the file that the benchmark has them in. */
  shots: number;
  /** File with the examples, instead of that. */
  examples?: string | undefined;
  /** Questions of each group; default: all. */
  limit?: number | undefined;
  /** Groups; default: all. */
  subjects?: readonly string[] | undefined;
}

export interface TaskFile {
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  questions: number;
}

/**
 * @param target where to write it; partly written after a failure
 * @throws MftError data.*
 */
export async function writeTaskFile(request: TaskRequest, target: string): Promise<TaskFile> {
  const out = createWriteStream(target, { mode: 0o600 });
  const hash = createHash('sha256');
  let bytes = 0;
  let questions = 0;
  try {
    for await (const record of taskRecords(request)) {
      if ('context' in record) questions += 1;
      const line = Buffer.from(`${JSON.stringify(record)}\n`);
      hash.update(line);
      bytes += line.length;
      if (!out.write(line)) await once(out, 'drain');
    }
  } finally {
    out.end();
    await finished(out);
  }
  if (questions === 0)
    throw bad('data.empty', `${request.path} has no question`, 'Check --data, --split and --limit.');
  return { path: target, bytes, sha256: hash.digest('hex'), questions };
}

export type TaskRecord = { prefix: string } | (Item & { group?: string });

/** What the phone reads: before the questions of each group what stands before each of them. */
export async function* taskRecords(request: TaskRequest): AsyncGenerator<TaskRecord, void, void> {
  const { benchmark, shots, limit = Number.POSITIVE_INFINITY } = request;
  for (const group of await chosenGroups(request)) {
    const description = benchmark.description?.(group.name) ?? '';
    const shown = await firstItems(request, group, shots);
    yield { prefix: description + shown.map(exampleOf).join('') };
    let count = 0;
    for await (const item of benchmark.read(group.questions)) {
      if (count === limit) break;
      count += 1;
      yield group.name === '' ? item : { ...item, group: group.name };
    }
  }
}

async function chosenGroups({ benchmark, path, split, subjects }: TaskRequest): Promise<Group[]> {
  const groups = await benchmark.groups(path, split);
  if (subjects === undefined) return groups;
  const names = groups.map(({ name }) => name);
  for (const subject of subjects) {
    if (names.includes(subject)) continue;
    const meant = nearest(subject, names);
    throw bad(
      'data.not-found',
      `${path} has no subject "${subject}"`,
      meant === undefined ? `It has: ${names.join(', ') || 'none'}` : `Is it ${meant}?`,
    );
  }
  return groups.filter(({ name }) => subjects.includes(name));
}

async function firstItems(
  { benchmark, examples }: TaskRequest,
  group: Group,
  count: number,
): Promise<Item[]> {
  const items: Item[] = [];
  if (count === 0) return items;
  const file = examples ?? group.examples;
  for await (const item of benchmark.read(file)) {
    items.push(item);
    if (items.length === count) return items;
  }
  throw bad(
    'data.too-short',
    `${file} has ${items.length} examples, not ${count}`,
    'Ask for fewer with --shots.',
  );
}

/** An example with its answer, as lm-evaluation-harness joins them. */
function exampleOf({ context, choices, answer }: Item): string {
  return `${context} ${choices[answer]}\n\n`;
}

function bad(
  code: 'data.empty' | 'data.not-found' | 'data.too-short',
  message: string,
  suggestion: string,
): MftError {
  return new MftError(message, { code, exit: ExitCode.usage, suggestions: [suggestion] });
}
