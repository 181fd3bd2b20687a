/** How data is read, for people and for --json. */
import { mft } from '../protocol/index.ts';

const { DataFormat: F, Packing: P } = mft.v1;

export interface DataPreview {
  /** As data.format calls it; "auto": the phone recognises it. */
  format: string;
  /** Where they were counted here. */
  records?: { train: number; validation?: number };
  /** "auto": as is usual for the format. */
  packing: string;
  /** Prompts and other roles too. */
  learns_all: boolean;
  /** Whether conversations are rendered on the phone; else why not. */
  chat?: { rendered: 'phone' } | { refusal: string };
}

const FORMATS: Record<number, string> = {
  [F.DATA_FORMAT_UNSPECIFIED]: 'auto',
  [F.DATA_FORMAT_TEXT]: 'text',
  [F.DATA_FORMAT_TEXTS]: 'texts',
  [F.DATA_FORMAT_PROMPT_COMPLETION]: 'prompt_completion',
  [F.DATA_FORMAT_MESSAGES]: 'messages',
  [F.DATA_FORMAT_CHOICES]: 'choices',
  [F.DATA_FORMAT_IDS]: 'ids',
  [F.DATA_FORMAT_SEGMENTS]: 'segments',
};

const PACKINGS: Record<number, string> = {
  [P.PACKING_UNSPECIFIED]: 'auto',
  [P.PACKING_NONE]: 'none',
  [P.PACKING_WRAP]: 'wrap',
  [P.PACKING_PACK]: 'pack',
};

/** What of a record is learned when prompts are masked. */
const ANSWERS: Record<string, string> = {
  prompt_completion: 'completions',
  messages: "the assistant's messages",
  choices: 'the right letter',
  ids: 'what has a label',
  segments: 'what has a label',
  auto: 'answers, where the phone finds records',
};

const ROWS: Record<string, string> = {
  none: 'a record a row',
  wrap: 'all in a row, cut where a row is full',
  pack: 'as many whole records a row as it holds',
};

/** Of a run's specification. */
export function describeData(data: mft.v1.IDataConfig): DataPreview {
  const format = FORMATS[data.format ?? 0] ?? 'auto';
  const usual = format === 'text' ? 'wrap' : format === 'auto' ? 'auto' : 'none';
  const packing = PACKINGS[data.packing ?? 0] ?? 'auto';
  const [train, validation] = [data.train?.records ?? 0, data.validation?.records ?? 0];
  return {
    format,
    ...(train + validation > 0 ? { records: { train, ...(validation > 0 ? { validation } : {}) } } : {}),
    packing: packing === 'auto' ? usual : packing,
    learns_all: data.learnAll === true || format === 'text' || format === 'texts',
    ...(data.chat
      ? { chat: { rendered: 'phone' } }
      : data.chatRefusal
        ? { chat: { refusal: data.chatRefusal } }
        : {}),
  };
}

/** The same for people: names and values. */
export function dataFacts({ format, records, packing, learns_all, chat }: DataPreview): [string, string][] {
  const counts = [
    ...(records ? [`${records.train} records`] : []),
    ...(records?.validation ? [`${records.validation} to validate`] : []),
  ];
  const facts: [string, string][] = [
    ['data', [format === 'auto' ? 'recognised on the phone' : format, ...counts].join(', ')],
    ['learned', learns_all ? 'all of it' : (ANSWERS[format] ?? 'all of it')],
  ];
  if (format !== 'text' && packing !== 'auto') facts.push(['rows', ROWS[packing] ?? packing]);
  if (chat && 'refusal' in chat) facts.push(['chat template', `none on the phone: ${chat.refusal}`]);
  else if (chat && format === 'messages') facts.push(['chat template', 'compiled for the phone']);
  return facts;
}
