/** What a training would train, known from the model's configuration alone: nothing is imported, no phone is asked. */
import { join } from 'node:path';
import { formatBytes } from '../base/units.ts';
import type { ResolvedConfig } from '../config/index.ts';
import {
  countParameters,
  inspectModel,
  type LoraTarget,
  type ModelConfig,
  openAdapter,
  type PackManifest,
  type StorageType,
  summarizeAdapters,
  summarizeStorage,
} from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { RunStore } from '../runs/index.ts';
import { checkLength, checkTrainable, trainableElements } from './fit.ts';
import { planLora } from './lora.ts';

export interface TrainingPreview {
  /** "24 × q_proj,v_proj r 8 alpha 16"; none in full fine-tuning. */
  adapters: string[];
  trainable_parameters: number;
  parameters: number;
  compute: ResolvedConfig['compute'];
  /** Of the base weights, the most bytes first; absent where a folder has yet to be imported. */
  storage?: { type: StorageType; bytes: number }[];
}

/** @throws MftError model.*, config.*: what would stop the training before the phone is asked. */
export async function previewTraining(request: {
  store: RunStore;
  model: string;
  config: ResolvedConfig;
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
  };
}

/** The same of a recorded run, by its specification. */
export function describeSpec(spec: Uint8Array): TrainingPreview | undefined {
  const { train, model, compute } = mft.v1.RunSpec.decode(spec);
  if (!train || !model?.config) return undefined;
  const described = describeTraining(
    train.full ? 'full' : 'lora',
    model.config as ModelConfig,
    (train.lora?.targets ?? []) as LoraTarget[],
  );
  const isBf16 = compute === mft.v1.ComputeType.COMPUTE_BF16;
  return { ...described, compute: isBf16 ? 'bf16' : 'f32', storage: storageOf(model as PackManifest) };
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
  return facts;
}
