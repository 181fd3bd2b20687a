/** What a data file holds (run.proto's DataFormat), by what its first record shows: the rules of device-runtime/text/data_format.h. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { JsonReader } from './json-reader.ts';
import type { Line } from './lines.ts';

export const RECORD_FORMATS = [
  'texts',
  'prompt_completion',
  'messages',
  'choices',
  'ids',
  'segments',
] as const;
export type RecordFormat = (typeof RECORD_FORMATS)[number];
/** As data.format calls them. */
export type DataFormat = 'text' | RecordFormat;

/** The names of a record's fields in the file. */
export interface FieldNames {
  text: string;
  prompt: string;
  completion: string;
  messages: string;
  question: string;
  choices: string;
  answer: string;
  input_ids: string;
  labels: string;
  segments: string;
}

const USUAL: FieldNames = {
  text: 'text',
  prompt: 'prompt',
  completion: 'completion',
  messages: 'messages',
  question: 'question',
  choices: 'choices',
  answer: 'answer',
  input_ids: 'input_ids',
  labels: 'labels',
  segments: 'segments',
};

/** The usual ones, but for those that are renamed. */
export function fieldNames(renamed: { [K in keyof FieldNames]?: string | undefined } = {}): FieldNames {
  const said = Object.entries(renamed).filter(([, name]) => name !== undefined);
  return { ...USUAL, ...Object.fromEntries(said) };
}

/** A record of the format has all of these. */
function shapes(names: FieldNames): [RecordFormat, string[]][] {
  return [
    ['texts', [names.text]],
    ['prompt_completion', [names.prompt, names.completion]],
    ['messages', [names.messages]],
    ['choices', [names.question, names.choices, names.answer]],
    ['ids', [names.input_ids]],
    ['segments', [names.segments]],
  ];
}

/** Whether a file's name says that it holds JSON. */
export function isNamedAsJson(name: string): boolean {
  return /\.(jsonl|json|ndjson)$/i.test(name);
}

/**
 * The format of a file by its first line that is not blank (undefined: there is none).
 *
 * @throws MftError data.format where it has the fields of two formats, or none though its name ends as those of JSON do;
 * data.bad-record, data.not-utf8, data.empty where its name ends so and it is no record.
 */
export function recognizeFormat(first: Line | undefined, name: string, names: FieldNames): DataFormat {
  const mustBeJson = isNamedAsJson(name);
  if (first === undefined) {
    if (!mustBeJson) return 'text';
    throw emptyFile(name);
  }
  const all = shapes(names);
  const keys = keysOf(first, mustBeJson);
  const found = all.filter(([, fields]) => fields.every((field) => keys?.has(field)));
  const [one, another] = found.map(([format]) => format);
  if (one !== undefined && another === undefined) return one;
  if (one !== undefined)
    throw new MftError(`${name} line ${first.number} has the fields of two formats: ${one} and ${another}`, {
      code: 'data.format',
      exit: ExitCode.usage,
      suggestions: ['Set data.format to the one that is meant.'],
    });
  if (!mustBeJson) return 'text';
  const known = all.map(([, fields]) => `{${fields.map((field) => `"${field}"`).join(', ')}}`).join(', ');
  throw new MftError(
    `${name} line ${first.number}: expected an object with the fields of one format, found one with those of none; known are ${known}`,
    {
      code: 'data.format',
      exit: ExitCode.usage,
      suggestions: [
        'Name the fields with data.fields, or set data.format: text to learn the file as it stands.',
      ],
    },
  );
}

export function emptyFile(name: string): MftError {
  return new MftError(`${name} has no record`, {
    code: 'data.empty',
    exit: ExitCode.usage,
    suggestions: ['Give a file with something to learn from.'],
  });
}

/** undefined: it is no JSON object, and need not be one. */
function keysOf(line: Line, mustBeJson: boolean): Set<string> | undefined {
  const keys = new Set<string>();
  const json = new JsonReader(line);
  try {
    for (const key of json.object('')) {
      keys.add(key);
      json.skip();
    }
    json.end();
    return keys;
  } catch (error) {
    if (error instanceof MftError && !mustBeJson) return undefined;
    throw error;
  }
}
