/** From a request to a run that is planned completely: model, data, configuration and phone fit together. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type AdbDevice, formatServer } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { version } from '../base/version.ts';
import { printConfig, type ResolvedConfig } from '../config/index.ts';
import { inspectTextFile } from '../data/index.ts';
import { type DeviceProfile, deviceProfile, hashFile, runtimeBinary } from '../device/index.ts';
import { type AdapterInit, type ModelPack, openAdapter, openModel, type WeightType } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { DeployFile, NewRun, RunPlan, RunRecord, RunStore, RunTask } from '../runs/index.ts';
import { RUNTIME_FILE } from './device-phone.ts';
import { checkFits, checkLength, checkTrainable } from './fit.ts';
import { planLora } from './lora.ts';
import {
  type Compute,
  type DataSource,
  DEVICE_PREFIX,
  evaluateSpec,
  generateSpec,
  type SamplingOptions,
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

/** Tokens in a row of an evaluation when nobody says it. */
const ROW = 128;

/** What a run that trains nothing takes beside the model. */
interface UseRequest extends PlanRequest {
  /** A PEFT folder or a pulled result. */
  adapter?: string | undefined;
  threads?: number | undefined;
  compute?: Compute | undefined;
}

export interface TrainRequest extends Omit<PlanRequest, 'dtype'> {
  config: ResolvedConfig;
  data: string;
}

export interface GenerateRequest extends UseRequest {
  sampling: SamplingOptions;
}

export interface EvaluateRequest extends UseRequest {
  data: string;
  /** undefined: 128, or as many as the model has positions. */
  sequenceLength?: number | undefined;
  batchSize: number;
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
  const train = await dataSource(request.data, request.device, operation);
  const validation =
    config.data.validation === undefined
      ? undefined
      : await dataSource(config.data.validation, request.device, operation);
  checkFits({ config, pack, targets: lora.targets, profile });
  return record(
    request,
    'train',
    { pack, profile, method: config.method, config, data: request.data },
    (id) => ({
      spec: mft.v1.RunSpec.encode(trainSpec(id, config, pack, lora, { train, validation })).finish(),
      files: [
        ...files,
        ...adapterFiles(init),
        ...dataFiles('data', train),
        ...dataFiles('validation', validation),
      ],
    }),
  );
}

export async function planGeneration(
  request: GenerateRequest,
  operation: Operation = {},
): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { sampling, threads = 0, compute = 'f32' } = request;
  const adapter = await adapterOf(request, request.adapter, pack);
  return record(request, 'generate', { pack, profile, method: '', config: undefined, data: '' }, (id) => ({
    spec: mft.v1.RunSpec.encode(generateSpec(id, pack, sampling, { adapter, threads, compute })).finish(),
    files: [...files, ...adapterFiles(adapter)],
  }));
}

export async function planEvaluation(
  request: EvaluateRequest,
  operation: Operation = {},
): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { batchSize, threads = 0, compute = 'f32' } = request;
  const adapter = await adapterOf(request, request.adapter, pack);
  const data = await dataSource(request.data, request.device, operation);
  const { sequenceLength = Math.min(ROW, pack.config.maxPositions) } = request;
  checkLength(sequenceLength, pack.config, '--sequence-length', '--sequence-length ');
  return record(
    request,
    'evaluate',
    { pack, profile, method: '', config: undefined, data: request.data },
    (id) => ({
      spec: mft.v1.RunSpec.encode(
        evaluateSpec(id, pack, { data, sequenceLength, batchSize, threads, compute, adapter }),
      ).finish(),
      files: [...files, ...adapterFiles(adapter), ...dataFiles('data', data)],
    }),
  );
}

async function prepare(request: PlanRequest, operation: Operation) {
  const wait = operation.signal ? { signal: operation.signal } : {};
  const pack = await openModel(request.model, {
    ...operation,
    home: request.store.home,
    dtype: request.dtype,
  });
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

/** A text file on this host, or (after `device:`) on the phone. */
async function dataSource(reference: string, device: AdbDevice, operation: Operation): Promise<DataSource> {
  if (!reference.startsWith(DEVICE_PREFIX)) {
    const { path, sha256, bytes } = await inspectTextFile(resolve(reference), operation);
    return { kind: 'host', path, sha256, bytes };
  }
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
  return { kind: 'device', path };
}

function dataFiles(name: string, source: DataSource | undefined): DeployFile[] {
  return source?.kind === 'host'
    ? [{ name, path: source.path, sha256: source.sha256, bytes: source.bytes }]
    : [];
}

function adapterFiles(adapter: AdapterInit | undefined): DeployFile[] {
  return adapter === undefined
    ? []
    : [{ ...adapter.file, name: 'adapter', path: resolve(adapter.file.path) }];
}
