/** Questions with answers to choose from, checked as device-runtime/text/choice_prompt.cc reads them. */
import { quoted, readFields } from './fields.ts';
import type { FieldNames } from './formats.ts';
import type { JsonReader } from './json-reader.ts';

const MAX_CHOICES = 26;
const letter = (index: number): string => String.fromCharCode(65 + index);

export function checkAnswer(
  json: JsonReader,
  names: Pick<FieldNames, 'question' | 'choices' | 'answer'>,
): void {
  const choices: string[] = [];
  let answer: number | bigint | string = '';
  readFields(json, '', {
    [names.question]: () => json.string(quoted(names.question)),
    [names.choices]: () => {
      for (const _ of json.list(quoted(names.choices))) {
        if (choices.length === MAX_CHOICES) json.fail(`at most ${MAX_CHOICES} choices`, 'more');
        choices.push(json.string(quoted(names.choices)));
      }
    },
    [names.answer]: () => {
      answer = readAnswer(json, quoted(names.answer));
    },
  });
  if (choices.length < 2) json.fail('at least 2 choices', String(choices.length));
  resolveAnswer(json, answer, choices, quoted(names.answer));
}

function readAnswer(json: JsonReader, where: string): number | bigint | string {
  const type = json.type(where);
  if (type === 'number') return json.integer(where);
  if (type === 'string') return json.string(where);
  return json.fail(`an index, a letter or one of the choices in ${where}`, json.found());
}

/** An index from 0, a letter, or the text of one of the choices. */
function resolveAnswer(
  json: JsonReader,
  answer: number | bigint | string,
  choices: string[],
  where: string,
): number {
  if (typeof answer !== 'string') {
    if (answer >= 0 && answer < choices.length) return Number(answer);
    return json.fail(
      `the index of one of the ${choices.length} choices, from 0, in ${where}`,
      'another number',
    );
  }
  const byLetter = choices.findIndex((_, i) => letter(i) === answer);
  const byText = choices.indexOf(answer);
  if (byText < 0) {
    if (byLetter >= 0) return byLetter;
    const last = letter(choices.length - 1);
    return json.fail(`a letter up to ${last} or one of the choices in ${where}`, 'another string');
  }
  if (byLetter >= 0 && byLetter !== byText)
    json.fail(`one meaning of the letter in ${where}`, 'also a choice of that text; give its index');
  if (choices.indexOf(answer, byText + 1) >= 0)
    json.fail(`one choice with the text in ${where}`, 'two; give its index');
  return byText;
}
