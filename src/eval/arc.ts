/**
 * ARC (Clark et al., 2018), JSON Lines as published (`ARC-Easy/ARC-Easy-Test.jsonl`, ...: {"question": {"stem", "choices":
 * [{"text", "label"}]}, "answerKey"}) or as on the Hugging Face hub ({"question", "choices": {"text", "label"},
 * "answerKey"}). Labels are letters, or numbers from 1. Prompt: `arc_easy` and `arc_challenge` of lm-evaluation-harness 0.4.
 */
import { z } from 'zod';
import { badRecord, badShape } from './bad-record.ts';
import { oneGroup, type SplitNames } from './files.ts';
import { readJsonLines } from './json-lines.ts';
import type { Benchmark } from './types.ts';

const published = z.object({
  question: z.object({
    stem: z.string(),
    choices: z.array(z.object({ text: z.string(), label: z.string() })),
  }),
  answerKey: z.string(),
});
const hub = z.object({
  question: z.string(),
  choices: z.object({ text: z.array(z.string()), label: z.array(z.string()) }),
  answerKey: z.string(),
});
const record = z.looseObject({ question: z.unknown() });

function files(set: 'Easy' | 'Challenge'): SplitNames {
  const names = (published: string, split: string) => [
    `ARC-${set}-${published}.jsonl`,
    `ARC-${set}/ARC-${set}-${published}.jsonl`,
    `ARC-${set}/${split}.jsonl`,
    `${split}.jsonl`,
  ];
  return {
    train: names('Train', 'train'),
    validation: names('Dev', 'validation'),
    test: names('Test', 'test'),
  };
}

function arc(set: 'Easy' | 'Challenge'): Benchmark {
  return {
    name: `arc-${set.toLowerCase()}`,
    title: `ARC-${set}`,
    groups: (path, split = 'test') => oneGroup(path, files(set), split),
    async *read(file) {
      for await (const { line, value } of readJsonLines(file, record)) {
        const { stem, texts, labels, key } = partsOf(file, line, value);
        if (texts.length !== labels.length || texts.length < 2)
          throw badRecord(
            file,
            line,
            'at least two choices, each with a label',
            `${texts.length} and ${labels.length}`,
          );
        const answer = labels.indexOf(key);
        if (answer < 0) throw badRecord(file, line, 'an "answerKey" that is one of the labels', 'another');
        yield { context: `Question: ${stem}\nAnswer:`, choices: texts, answer };
      }
    },
  };
}

interface Parts {
  stem: string;
  texts: string[];
  labels: string[];
  key: string;
}

function partsOf(file: string, line: number, value: { question: unknown }): Parts {
  const parse = <T>(shape: z.ZodType<T>): T => {
    const parsed = shape.safeParse(value);
    if (parsed.success) return parsed.data;
    throw badShape(file, line, parsed.error);
  };
  if (typeof value.question === 'string') {
    const { question, choices, answerKey } = parse(hub);
    return { stem: question, texts: choices.text, labels: choices.label, key: answerKey };
  }
  const { question, answerKey } = parse(published);
  return {
    stem: question.stem,
    texts: question.choices.map(({ text }) => text),
    labels: question.choices.map(({ label }) => label),
    key: answerKey,
  };
}

export const arcEasy = arc('Easy');
export const arcChallenge = arc('Challenge');
