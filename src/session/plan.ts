/** From a request to a run that is planned completely: model, data, configuration and phone fit together. */
import { randomUUID } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type AdbDevice, formatServer } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { version } from '../base/version.ts';
import { printConfig, type ResolvedConfig } from '../config/index.ts';
import { type DeviceProfile, deviceProfile, hashFile, runtimeBinary } from '../device/index.ts';
import { type TaskRequest, writeTaskFile } from '../eval/index.ts';
import {
  type AdapterInit,
  type ModelPack,
  openAdapter,
  openModel,
  readEndTokens,
  type WeightType,
} from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { DeployFile, NewRun, RunPlan, RunRecord, RunStore, RunTask } from '../runs/index.ts';
import { DATA_DEFAULTS, type DataSettings, type PlannedData, planData, planQuestions } from './data.ts';
import { RUNTIME_FILE } from './device-phone.ts';
import { checkFits, checkLength, checkStridable, checkStride, checkTrainable } from './fit.ts';
import { planLora } from './lora.ts';
import {
  type ChoiceOptions,
  type Compute,
  chatSpec,
  choicesSpec,
  type DataSource,
  evaluateSpec,
  generateSpec,
  type SamplingOptions,
  type TrainingData,
  trainSpec,
} from './spec.ts';

export interface PlanRequest {
  store: RunStore;
  device: AdbDevice;
  /** A name in the library or a path. */
  model: string;
  /** First part of the run's id; default: the model's name. */
  name?: string | undefined;
  /** Storage of a Hugging Face folder's weights. */
  dtype?: WeightType | undefined;
}

/** Tokens of a conversation when nobody says how many. */
const CHAT_CONTEXT = 4096;

/** Tokens in a row of an evaluation when nobody says it. */
const ROW = 128;

/** What a run that trains nothing takes beside the model. */
interface UseRequest extends PlanRequest {
  /** A PEFT folder or a pulled result. */
  adapter?: string | undefined;
  /** The model, where it is open already. */
  pack?: ModelPack | undefined;
  threads?: number | undefined;
  compute?: Compute | undefined;
}

export interface TrainRequest extends Omit<PlanRequest, 'dtype'> {
  config: ResolvedConfig;
  data: string;
}

export interface GenerateRequest extends UseRequest {
  prompts: readonly string[];
  sampling: SamplingOptions;
}

export interface ChatRequest extends UseRequest {
  sampling: SamplingOptions;
  /** Tokens that the phone keeps of a conversation; undefined: what the model can see, at most 4096. */
  contextLength?: number | undefined;
  /** Without a host for so long, the phone ends it by itself. */
  idleSeconds: number;
}

export interface EvaluateRequest extends UseRequest {
  data: string;
  /** undefined: 128, or as many as the model has positions. */
  sequenceLength?: number | undefined;
  batchSize: number;
  /** Tokens from the beginning of one window to that of the next; undefined: as many as are in one. */
  stride?: number | undefined;
  /** How the file is read, where it is not by default. */
  settings?: Partial<DataSettings> | undefined;
}

export interface ChoicesRequest extends UseRequest, ChoiceOptions {
  /** A file of questions; with a benchmark: its folder, or a file of it. */
  data: string;
  /** undefined: as many as the model has positions. */
  sequenceLength?: number | undefined;
  benchmark?: Omit<TaskRequest, 'path'> | undefined;
}

/**
 * Records a training run. Nothing has touched the phone but questions.
 *
 * @throws MftError model.*, data.*, config.value (2), device.* (3, 4)
 */
export async function planTraining(request: TrainRequest, operation: Operation = {}): Promise<RunRecord> {
  const { config } = request;
  const { pack, profile, files } = await prepare({ ...request, dtype: config.model.dtype }, operation);
  checkLength(
    config.data.sequence_length,
    pack.config,
    'data.sequence_length',
    '--set data.sequence_length=',
  );
  if (config.method === 'full') checkTrainable(pack);
  const init = await adapterOf(request, config.lora.init_adapter, pack);
  const lora = planLora(pack.config, config, init);
  checkFits({ config, pack, targets: lora.targets, profile });
  const { store, device } = request;
  const { validation } = config.data;
  const data = await planData(
    { train: request.data, validation, settings: config.data, pack, device, store },
    operation,
  );
  const planned = { pack, profile, method: config.method, config, data: request.data };
  try {
    return record(request, 'train', planned, (id) => {
      const { sources, files: dataFiles } = data.settle(store.folder(id));
      const spec = trainSpec(id, config, pack, lora, { ...trainingFiles(sources), rules: data.rules });
      return {
        spec: mft.v1.RunSpec.encode(spec).finish(),
        files: [...files, ...adapterFiles(init), ...dataFiles],
      };
    });
  } finally {
    await data.close();
  }
}

export async function planGeneration(
  request: GenerateRequest,
  operation: Operation = {},
): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { prompts, threads = 0, compute = 'f32' } = request;
  const adapter = await adapterOf(request, request.adapter, pack);
  const sampling = await withEndTokens(request.sampling, pack);
  return record(request, 'generate', { pack, profile, method: '', config: undefined, data: '' }, (id) => ({
    spec: mft.v1.RunSpec.encode(
      generateSpec(id, pack, prompts, sampling, { adapter, threads, compute }),
    ).finish(),
    files: [...files, ...adapterFiles(adapter)],
  }));
}

/** Records a conversation: a run that waits for what is said to it. */
export async function planChat(request: ChatRequest, operation: Operation = {}): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { threads = 0, compute = 'f32', idleSeconds } = request;
  const { contextLength = Math.min(CHAT_CONTEXT, pack.config.maxPositions) } = request;
  checkLength(contextLength, pack.config, '--context', '--context ');
  const adapter = await adapterOf(request, request.adapter, pack);
  const sampling = await withEndTokens(request.sampling, pack);
  const options = { adapter, threads, compute, contextLength, idleSeconds };
  return record(request, 'chat', { pack, profile, method: '', config: undefined, data: '' }, (id) => ({
    spec: mft.v1.RunSpec.encode(chatSpec(id, pack, sampling, options)).finish(),
    files: [...files, ...adapterFiles(adapter)],
  }));
}

async function withEndTokens(sampling: SamplingOptions, pack: ModelPack): Promise<SamplingOptions> {
  return { ...sampling, eos: [...(sampling.eos ?? []), ...(await readEndTokens(pack))] };
}

export async function planEvaluation(
  request: EvaluateRequest,
  operation: Operation = {},
): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { batchSize, stride = 0, threads = 0, compute = 'f32' } = request;
  const adapter = await adapterOf(request, request.adapter, pack);
  const { sequenceLength = Math.min(ROW, pack.config.maxPositions) } = request;
  checkLength(sequenceLength, pack.config, '--sequence-length', '--sequence-length ');
  checkStride(stride, sequenceLength);
  const { store, device } = request;
  const settings = { ...DATA_DEFAULTS, ...request.settings };
  const data = await planData({ validation: request.data, settings, pack, device, store }, operation);
  const planned = { pack, profile, method: '', config: undefined, data: request.data };
  try {
    if (stride > 0) checkStridable(request.data, data.rules.format);
    return record(request, 'evaluate', planned, (id) => {
      const { sources, files: dataFiles } = data.settle(store.folder(id));
      const options = { sequenceLength, batchSize, stride, threads, compute, adapter, rules: data.rules };
      const spec = evaluateSpec(id, pack, { ...options, data: onlyFile(sources.validation) });
      return {
        spec: mft.v1.RunSpec.encode(spec).finish(),
        files: [...files, ...adapterFiles(adapter), ...dataFiles],
      };
    });
  } finally {
    await data.close();
  }
}

function trainingFiles({ train, validation }: PlannedData['sources']): Omit<TrainingData, 'rules'> {
  return { train: onlyFile(train), validation };
}

function onlyFile(source: DataSource | undefined): DataSource {
  if (source === undefined) throw new Error('a data file was planned and is not there');
  return source;
}

/** Records a multiple choice. The prompts of a benchmark are made here, into a file of the run's own folder. */
export async function planChoices(request: ChoicesRequest, operation: Operation = {}): Promise<RunRecord> {
  const { store, benchmark, sequenceLength, threads = 0, compute = 'f32' } = request;
  const { pack, profile, files } = await prepare(request, operation);
  if (sequenceLength !== undefined)
    checkLength(sequenceLength, pack.config, '--sequence-length', '--sequence-length ');
  const adapter = await adapterOf(request, request.adapter, pack);
  const planned = { pack, profile, method: '', config: undefined, data: request.data };
  const plan = (id: string, data: DataSource): RunPlan => ({
    spec: mft.v1.RunSpec.encode(
      choicesSpec(id, pack, {
        ...request,
        data,
        sequenceLength: sequenceLength ?? 0,
        threads,
        compute,
        adapter,
      }),
    ).finish(),
    files: [...files, ...adapterFiles(adapter), ...questionFiles(data)],
  });
  if (!benchmark) {
    const { device, records } = request;
    const data = await planQuestions(request.data, records, { pack, device }, operation);
    return record(request, 'evaluate', planned, (id) => plan(id, data));
  }
  const staged = join(store.home, `.questions-${randomUUID()}.jsonl`);
  try {
    const { sha256, bytes } = await writeTaskFile({ ...benchmark, path: resolve(request.data) }, staged);
    return record(request, 'evaluate', planned, (id) => {
      const path = join(store.folder(id), `questions-${sha256.slice(0, 16)}.jsonl`);
      copyFileSync(staged, path);
      return plan(id, { kind: 'host', path, sha256, bytes });
    });
  } finally {
    await rm(staged, { force: true });
  }
}

async function prepare(request: PlanRequest & { pack?: ModelPack | undefined }, operation: Operation) {
  const wait = operation.signal ? { signal: operation.signal } : {};
  const { model, store, dtype } = request;
  const pack = request.pack ?? (await openModel(model, { ...operation, home: store.home, dtype }));
  if (!pack.hasTokenizer)
    throw new MftError(`the model ${pack.name} has no tokenizer, so text can't be read with it`, {
      code: 'model.no-tokenizer',
      exit: ExitCode.usage,
      suggestions: ['Import it from a folder that also holds tokenizer.json.'],
    });
  const profile = await deviceProfile(request.device, wait);
  const binary = await runtimeBinary(profile.abi);
  const runtime = {
    name: RUNTIME_FILE,
    path: binary,
    sha256: await hashFile(binary),
    bytes: (await stat(binary)).size,
  };
  const files: DeployFile[] = [runtime, ...pack.files.map((file) => ({ ...file, path: resolve(file.path) }))];
  return { pack, profile, files };
}

async function adapterOf(
  { store }: PlanRequest,
  folder: string | undefined,
  pack: ModelPack,
): Promise<AdapterInit | undefined> {
  if (folder === undefined) return undefined;
  return await openAdapter(folder, pack.config, join(store.home, 'adapters'));
}

interface Planned {
  pack: ModelPack;
  profile: DeviceProfile;
  method: string;
  config: ResolvedConfig | undefined;
  data: string;
}

function record(
  request: PlanRequest,
  task: RunTask,
  { pack, profile, method, config, data }: Planned,
  build: (id: string) => RunPlan,
): RunRecord {
  const { store, device } = request;
  const run: NewRun = {
    task,
    name: request.name ?? request.model,
    model: pack.name,
    method,
    server: formatServer(device.address.server),
    serial: device.serial,
    deviceName: `${profile.manufacturer} ${profile.model}`,
    abi: profile.abi,
    data,
    config: config === undefined ? '' : printConfig(config),
    mftVersion: version,
  };
  return store.create(run, build);
}

function questionFiles(source: DataSource): DeployFile[] {
  if (source.kind === 'device') return [];
  const { path, sha256, bytes } = source;
  return [{ name: 'data', path, sha256, bytes }];
}

function adapterFiles(adapter: AdapterInit | undefined): DeployFile[] {
  return adapter === undefined
    ? []
    : [{ ...adapter.file, name: 'adapter', path: resolve(adapter.file.path) }];
}
