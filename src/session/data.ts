/** From the files that a person names to what the phone reads: recognised, checked, and rendered here where the phone can't. */
import { randomUUID } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { AdbDevice } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import type { ResolvedConfig } from '../config/index.ts';
import {
  type ChatTemplate,
  type Compiled,
  type DataFormat,
  formatOf,
  inspectDataFile,
  inspectTextFile,
  openChatTemplate,
  renderConversations,
} from '../data/index.ts';
import type { ModelPack } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { DeployFile, RunStore } from '../runs/index.ts';
import { type DataSource, DEVICE_PREFIX } from './spec.ts';

/** How data files are read. */
export type DataSettings = Pick<
  ResolvedConfig['data'],
  'format' | 'packing' | 'mask_prompt' | 'fields' | 'chat_template'
>;

export const DATA_DEFAULTS: DataSettings = { format: 'auto', packing: 'auto', mask_prompt: true, fields: {} };

interface DataRequest {
  train?: string | undefined;
  validation?: string | undefined;
  settings: DataSettings;
  pack: Pick<ModelPack, 'name' | 'dir' | 'config'>;
  /** Where `device:` files are; not needed without such. */
  device?: AdbDevice | undefined;
  store: RunStore;
}

/** Data files by their names in a run, and the part of DataConfig that says how they are read. */
export interface PlannedData {
  sources: { train?: DataSource; validation?: DataSource };
  rules: mft.v1.IDataConfig;
  /** Puts what was rendered into the run's folder. */
  settle(folder: string): { sources: PlannedData['sources']; files: DeployFile[] };
  /** Removes what was rendered, where it was first. */
  close(): Promise<void>;
}

type Role = 'train' | 'validation';
type Place = { role: Role; kind: 'host' | 'device'; path: string };

const FORMATS: Record<DataFormat, mft.v1.DataFormat> = {
  text: mft.v1.DataFormat.DATA_FORMAT_TEXT,
  texts: mft.v1.DataFormat.DATA_FORMAT_TEXTS,
  prompt_completion: mft.v1.DataFormat.DATA_FORMAT_PROMPT_COMPLETION,
  messages: mft.v1.DataFormat.DATA_FORMAT_MESSAGES,
  choices: mft.v1.DataFormat.DATA_FORMAT_CHOICES,
  ids: mft.v1.DataFormat.DATA_FORMAT_IDS,
  segments: mft.v1.DataFormat.DATA_FORMAT_SEGMENTS,
};

const PACKINGS = {
  auto: mft.v1.Packing.PACKING_UNSPECIFIED,
  none: mft.v1.Packing.PACKING_NONE,
  wrap: mft.v1.Packing.PACKING_WRAP,
  pack: mft.v1.Packing.PACKING_PACK,
};

/** @throws MftError data.* (2) */
export async function planData(request: DataRequest, operation: Operation = {}): Promise<PlannedData> {
  const { settings, pack, store } = request;
  const places = await placesOf(request, operation);
  const format = await commonFormat(places, settings);
  checkPacking(format, settings);
  const hasConversations = format === 'messages' || format === undefined;
  const template = hasConversations ? await openChatTemplate(pack.dir, settings.chat_template) : undefined;
  const staged: string[] = [];
  try {
    const chat: Compiled | undefined = hasConversations
      ? ((await template?.compile()) ?? { refusal: `the model ${pack.name} has none` })
      : undefined;
    const isRendered = format === 'messages' && chat?.refusal !== undefined;
    if (isRendered) checkRenderable(places, template, chat.refusal);
    const inspect = async ({ kind, path }: Place): Promise<DataSource> => {
      if (kind === 'device' || format === undefined) return { kind: 'device', path };
      const rules = { fields: settings.fields, vocabSize: pack.config.vocabSize, pieces: chat?.pieces };
      if (!isRendered || template === undefined)
        return { kind: 'host', ...(await inspectDataFile(path, format, rules, operation)) };
      const target = join(store.home, `.conversations-${randomUUID()}.jsonl`);
      staged.push(target);
      const rendered = await renderConversations(path, template, target, rules, operation);
      return { kind: 'host', ...rendered, staged: true };
    };
    const sources: PlannedData['sources'] = {};
    for (const place of places) sources[place.role] = await inspect(place);
    return planned(sources, rulesOf(isRendered ? 'segments' : format, settings, chat, isRendered), staged);
  } catch (error) {
    for (const path of staged) await rm(path, { force: true });
    throw error;
  } finally {
    template?.close();
  }
}

function planned(sources: PlannedData['sources'], rules: mft.v1.IDataConfig, staged: string[]): PlannedData {
  return {
    sources,
    rules,
    settle(folder) {
      const settled: PlannedData['sources'] = {};
      const files: DeployFile[] = [];
      for (const role of ['train', 'validation'] as const) {
        const source = sources[role];
        if (source === undefined) continue;
        settled[role] = source;
        if (source.kind !== 'host') continue;
        const { sha256, bytes } = source;
        const path = source.staged ? join(folder, `conversations-${sha256.slice(0, 16)}.jsonl`) : source.path;
        if (source.staged) copyFileSync(source.path, path);
        settled[role] = { ...source, path };
        files.push({ name: role === 'train' ? 'data' : 'validation', path, sha256, bytes });
      }
      return { sources: settled, files };
    },
    async close() {
      for (const path of staged) await rm(path, { force: true });
    },
  };
}

/** A file of questions, or of task records (ChoiceTask). @throws MftError data.* */
export async function planQuestions(
  reference: string,
  records: 'choices' | 'contexts',
  { pack, device }: Pick<DataRequest, 'pack' | 'device'>,
  operation: Operation = {},
): Promise<DataSource> {
  if (reference.startsWith(DEVICE_PREFIX))
    return { kind: 'device', path: await devicePath(reference, device, operation) };
  const path = resolve(reference);
  if (records === 'contexts') return { kind: 'host', ...(await inspectTextFile(path, operation)) };
  const rules = { vocabSize: pack.config.vocabSize };
  return { kind: 'host', ...(await inspectDataFile(path, 'choices', rules, operation)) };
}

/** A file on this host, or (after `device:`) on the phone. */
async function placesOf({ train, validation, device }: DataRequest, operation: Operation): Promise<Place[]> {
  const places: Place[] = [];
  for (const [role, reference] of [
    ['train', train],
    ['validation', validation],
  ] as const) {
    if (reference === undefined) continue;
    const isOnDevice = reference.startsWith(DEVICE_PREFIX);
    const path = isOnDevice ? await devicePath(reference, device, operation) : resolve(reference);
    places.push({ role, kind: isOnDevice ? 'device' : 'host', path });
  }
  return places;
}

async function devicePath(
  reference: string,
  device: AdbDevice | undefined,
  operation: Operation,
): Promise<string> {
  if (device === undefined) throw new Error('a file on a phone without a phone');
  const path = reference.slice(DEVICE_PREFIX.length);
  const problem = (code: string, message: string) =>
    new MftError(message, {
      code,
      exit: ExitCode.usage,
      suggestions: [`adb -s ${device.serial} shell ls -l '${path}'`],
    });
  if (!path.startsWith('/') || path.includes('\0'))
    throw problem('data.not-found', `${reference}: a path on the phone begins with /`);
  const there = await device.stat(path, operation.signal ? { signal: operation.signal } : {});
  if (there === undefined) throw problem('data.not-found', `there is no file ${path} on ${device}`);
  if (!there.isFile) throw problem('data.not-a-file', `${path} on ${device} is not a file`);
  if (there.size === 0) throw problem('data.empty', `${path} on ${device} is empty`);
  return path;
}

/** Of all files; undefined: they are on the phone, which will see. @throws MftError data.format when they differ. */
export async function commonFormat(
  places: readonly Pick<Place, 'kind' | 'path'>[],
  { format, fields }: Pick<DataSettings, 'format' | 'fields'>,
): Promise<DataFormat | undefined> {
  if (format !== 'auto') return format;
  let found: { format: DataFormat; path: string } | undefined;
  for (const { kind, path } of places) {
    if (kind === 'device') continue;
    const own = await formatOf(path, fields);
    if (found !== undefined && found.format !== own)
      throw new MftError(
        `${basename(found.path)} holds ${found.format}, but ${basename(path)} holds ${own}`,
        {
          code: 'data.format',
          exit: ExitCode.usage,
          suggestions: ['Give training and validation in one format.'],
        },
      );
    found ??= { format: own, path };
  }
  return found?.format;
}

/** @throws MftError data.packing */
export function checkPacking(format: DataFormat | undefined, { packing }: DataSettings): void {
  if (format !== 'text' || packing === 'auto' || packing === 'wrap') return;
  throw new MftError(`data.packing: ${packing} is for records, but the data is one text`, {
    code: 'data.packing',
    exit: ExitCode.usage,
    suggestions: ['data.packing: wrap', 'Give the texts as JSON Lines, {"text"} a line (docs/data.md).'],
  });
}

/** Conversations that the phone can't render are rendered here, if they and a template are. @throws MftError data.chat-template */
function checkRenderable(
  places: readonly Place[],
  template: ChatTemplate | undefined,
  refusal: string,
): asserts template is ChatTemplate {
  const onDevice = places.find(({ kind }) => kind === 'device');
  if (template !== undefined && onDevice === undefined) return;
  const place = onDevice ?? places[0];
  const why = template === undefined ? refusal : `${refusal} (${template.place})`;
  throw new MftError(
    template === undefined
      ? `${basename(place?.path ?? '')} has conversations, but no chat template shows them: ${why}`
      : `${place?.path} is on the phone, where the model's chat template can't be had: ${why}`,
    {
      code: 'data.chat-template',
      exit: ExitCode.usage,
      suggestions: [
        ...(template === undefined ? [] : ['Give the file from this computer: it is rendered here.']),
        'Another template can be named: --set data.chat_template=FILE.jinja',
      ],
    },
  );
}

function rulesOf(
  format: DataFormat | undefined,
  settings: DataSettings,
  chat: Compiled | undefined,
  isRendered: boolean,
): mft.v1.IDataConfig {
  const names = Object.fromEntries(
    Object.entries(settings.fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const isRenamed = !isRendered && Object.keys(names).length > 0; // what is rendered here has the usual names
  return {
    format: format === undefined ? mft.v1.DataFormat.DATA_FORMAT_UNSPECIFIED : FORMATS[format],
    packing: PACKINGS[settings.packing],
    learnAll: !settings.mask_prompt,
    ...(isRenamed ? { fields: { names } } : {}),
    ...(isRendered || chat === undefined
      ? {}
      : chat.pieces === undefined
        ? { chatRefusal: chat.refusal }
        : { chat: chat.pieces }),
  };
}
