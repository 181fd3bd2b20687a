/** What a training would train, known from the model's configuration alone: nothing is imported, no phone is asked. */
import { join } from 'node:path';
import type { ResolvedConfig } from '../config/index.ts';
import {
  countParameters,
  inspectModel,
  type LoraTarget,
  type ModelConfig,
  openAdapter,
  summarizeAdapters,
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
  return describeTraining(config.method, model, planLora(model, config, init).targets);
}

/** The same of a recorded run, by its specification. */
export function describeSpec(spec: Uint8Array): TrainingPreview | undefined {
  const { train, model } = mft.v1.RunSpec.decode(spec);
  if (!train || !model?.config) return undefined;
  return describeTraining(
    train.full ? 'full' : 'lora',
    model.config as ModelConfig,
    (train.lora?.targets ?? []) as LoraTarget[],
  );
}

function describeTraining(
  method: ResolvedConfig['method'],
  model: ModelConfig,
  targets: LoraTarget[],
): TrainingPreview {
  const parameters = countParameters(model);
  const pack = { config: model, parameters };
  return {
    adapters: summarizeAdapters(targets),
    trainable_parameters: trainableElements({ method, pack, targets }),
    parameters,
  };
}

/** The same for people. */
export function previewLines({ adapters, trainable_parameters, parameters }: TrainingPreview): string[] {
  const share = ((100 * trainable_parameters) / parameters).toPrecision(3);
  return [
    ...adapters.map((line) => `adapters: ${line}`),
    `trained: ${trainable_parameters} of ${parameters} parameters (${share} %)`,
  ];
}
