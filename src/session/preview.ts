/** What a training would train, known from the model's configuration alone: nothing is imported, no phone is asked. */
import { join, resolve } from 'node:path';
import { formatBytes } from '../base/units.ts';
import type { ResolvedConfig } from '../config/index.ts';
import {
  countParameters,
  inspectModel,
  type LoraTarget,
  type ModelConfig,
  type ModelPack,
  openAdapter,
  type PackManifest,
  type StorageType,
  summarizeAdapters,
  summarizeStorage,
} from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { RunStore } from '../runs/index.ts';
import { planData } from './data.ts';
import { type DataPreview, dataFacts, describeData } from './data-preview.ts';
import { checkLength, checkTrainable, trainableElements } from './fit.ts';
import { planLora } from './lora.ts';
import { type DataSource, DEVICE_PREFIX } from './spec.ts';

export interface TrainingPreview {
  /** "24 × q_proj,v_proj r 8 alpha 16"; none in full fine-tuning. */
  adapters: string[];
  trainable_parameters: number;
  parameters: number;
  compute: ResolvedConfig['compute'];
  /** Of the base weights, the most bytes first; absent where a folder has yet to be imported. */
  storage?: { type: StorageType; bytes: number }[];
  /** How the data is read; absent where nobody named it. */
  data?: DataPreview;
}

/** @throws MftError model.*, config.*: what would stop the training before the phone is asked. */
export async function previewTraining(request: {
  store: RunStore;
  model: string;
  config: ResolvedConfig;
  /** As --data names it. */
  data?: string | undefined;
}): Promise<TrainingPreview> {
  const { store, config } = request;
  const place = { home: store.home, dtype: config.model.dtype };
  const { config: model, pack } = await inspectModel(request.model, place);
  if (pack && config.method === 'full') checkTrainable(pack);
  const { sequence_length } = config.data;
  checkLength(sequence_length, model, 'data.sequence_length', '--set data.sequence_length=');
  const folder = config.method === 'full' ? undefined : config.lora.init_adapter;
  const init =
    folder === undefined ? undefined : await openAdapter(folder, model, join(store.home, 'adapters'));
  return {
    ...describeTraining(config.method, model, planLora(model, config, init).targets),
    compute: config.compute,
    ...(pack ? { storage: storageOf(pack.manifest) } : {}),
    ...(await previewData(request, model, pack)),
  };
}

/** Files on this computer are read; those on a phone are not asked for. */
async function previewData(
  {
    store,
    model,
    config,
    data,
  }: { store: RunStore; model: string; config: ResolvedConfig; data?: string | undefined },
  modelConfig: ModelConfig,
  pack: ModelPack | undefined,
): Promise<{ data?: DataPreview }> {
  // The chat template of a GGUF file is known when it is imported.
  if (data === undefined || (pack === undefined && /\.gguf$/i.test(model))) return {};
  const { validation } = config.data;
  const onHost = (reference: string | undefined) =>
    reference?.startsWith(DEVICE_PREFIX) ? undefined : reference;
  const planned = await planData({
    train: onHost(data),
    validation: onHost(validation),
    settings: config.data,
    pack: pack ?? { name: model, dir: resolve(model), config: modelConfig },
    store,
  });
  try {
    const { train, validation: held } = planned.sources;
    return {
      data: describeData({
        ...planned.rules,
        train: { records: recordsOf(train) },
        validation: { records: recordsOf(held) },
      }),
    };
  } finally {
    await planned.close();
  }
}

function recordsOf(source: DataSource | undefined): number {
  return source?.kind === 'host' ? (source.records ?? 0) : 0;
}

/** The same of a recorded run, by its specification. */
export function describeSpec(spec: Uint8Array): TrainingPreview | undefined {
  const { train, model, compute, data } = mft.v1.RunSpec.decode(spec);
  if (!train || !model?.config) return undefined;
  const described = describeTraining(
    train.full ? 'full' : 'lora',
    model.config as ModelConfig,
    (train.lora?.targets ?? []) as LoraTarget[],
  );
  const isBf16 = compute === mft.v1.ComputeType.COMPUTE_BF16;
  return {
    ...described,
    compute: isBf16 ? 'bf16' : 'f32',
    storage: storageOf(model as PackManifest),
    ...(data ? { data: describeData(data) } : {}),
  };
}

function describeTraining(
  method: ResolvedConfig['method'],
  model: ModelConfig,
  targets: LoraTarget[],
): Pick<TrainingPreview, 'adapters' | 'trainable_parameters' | 'parameters'> {
  const parameters = countParameters(model);
  const pack = { config: model, parameters };
  return {
    adapters: summarizeAdapters(targets),
    trainable_parameters: trainableElements({ method, pack, targets }),
    parameters,
  };
}

function storageOf({ segments }: PackManifest): TrainingPreview['storage'] & object {
  return summarizeStorage(segments).map(({ type, bytes }) => ({ type, bytes }));
}

/** The same for people: names and values. */
export function previewFacts(preview: TrainingPreview): [string, string][] {
  const { adapters, trainable_parameters, parameters, compute, storage } = preview;
  const share = ((100 * trainable_parameters) / parameters).toPrecision(3);
  const facts: [string, string][] = [
    ...adapters.map((line): [string, string] => ['adapters', line]),
    ['trained', `${trainable_parameters} of ${parameters} parameters (${share} %)`],
    ['arithmetic', compute],
  ];
  if (storage)
    facts.push(['weights', storage.map(({ type, bytes }) => `${type} ${formatBytes(bytes)}`).join(', ')]);
  if (preview.data) facts.push(...dataFacts(preview.data));
  return facts;
}
