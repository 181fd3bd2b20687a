/** Records checked field by field, by the rules of device-runtime/text/records.cc: what passes here is read on the phone. */
import type { ChatMessage } from '../chat/jinja.ts';
import { checkAnswer } from './choices.ts';
import { quoted, readFields } from './fields.ts';
import type { FieldNames, RecordFormat } from './formats.ts';
import type { JsonReader } from './json-reader.ts';

export interface RecordRules {
  format: RecordFormat;
  fields: FieldNames;
  /** Ids are below it: the model's vocabulary. */
  idLimit: number;
}

const NOT_LEARNED = -100; // in a list of labels, as torch's ignore_index

/** The messages of a conversation; undefined for a record of another format. @throws MftError data.bad-record. */
export function checkRecord(json: JsonReader, rules: RecordRules): ChatMessage[] | undefined {
  const { fields } = rules;
  const { text, prompt, completion, question, choices, answer, messages, segments } = fields;
  let conversation: ChatMessage[] | undefined;
  switch (rules.format) {
    case 'texts':
      readFields(json, '', { [text]: () => json.string(quoted(text)) });
      break;
    case 'prompt_completion':
      readFields(json, '', {
        [prompt]: () => json.string(quoted(prompt)),
        [completion]: () => json.string(quoted(completion)),
      });
      break;
    case 'choices':
      checkAnswer(json, { question, choices, answer });
      break;
    case 'messages':
      readFields(json, '', {
        [messages]: () => {
          conversation = readMessages(json, quoted(messages));
        },
      });
      break;
    case 'segments':
      readFields(json, '', { [segments]: () => checkSegments(json, quoted(segments)) });
      break;
    case 'ids':
      checkIds(json, rules);
  }
  json.end();
  return conversation;
}

function readMessages(json: JsonReader, where: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const _ of json.list(where)) {
    const message: ChatMessage = { role: '', content: '' };
    const seen = { role: false, content: false };
    for (const key of json.object(where)) {
      if (key !== 'role' && key !== 'content') {
        json.skip();
        continue;
      }
      if (seen[key]) json.fail(`"${key}" once in a message of ${where}`, 'it twice');
      seen[key] = true;
      message[key] = json.string(`"${key}" of a message of ${where}`);
    }
    if (!seen.role) json.fail(`"role" in each message of ${where}`, 'none');
    if (!seen.content) json.fail(`"content" in each message of ${where}`, 'none');
    messages.push(message);
  }
  if (messages.length === 0) json.fail('at least one message', 'an empty list');
  return messages;
}

function checkSegments(json: JsonReader, where: string): void {
  for (const _ of json.list(where))
    readFields(json, where, {
      text: () => json.string(`"text" of a segment of ${where}`),
      label: () => json.bool(`"label" of a segment of ${where}`),
    });
}

function checkIds(json: JsonReader, { fields, idLimit }: RecordRules): void {
  const { input_ids: ids, labels } = fields;
  const read = (where: string, least: number): number[] => {
    const found: number[] = [];
    for (const _ of json.list(where)) {
      const id = json.integer(where);
      if ((id < 0 && id !== least) || id >= idLimit)
        json.fail(`ids below ${idLimit}, the model's vocabulary, in ${where}`, String(id));
      found.push(Number(id));
    }
    return found;
  };
  let idList: number[] | undefined;
  let labelList: number[] | undefined;
  for (const key of json.object('')) {
    if (key !== ids && key !== labels) {
      json.skip();
      continue;
    }
    if ((key === ids ? idList : labelList) !== undefined) json.fail(`${quoted(key)} once`, 'it twice');
    if (key === ids) idList = read(quoted(key), 0);
    else labelList = read(quoted(key), NOT_LEARNED);
  }
  if (idList === undefined) json.fail(quoted(ids), 'none');
  if (labelList === undefined) return;
  if (labelList.length !== idList.length)
    json.fail(`${idList.length} labels, as many as ids`, String(labelList.length));
  const wrong = labelList.findIndex((label, i) => label !== NOT_LEARNED && label !== idList[i]);
  if (wrong >= 0) json.fail("-100 or the token's own id as a label", `another id as label ${wrong}`);
}
