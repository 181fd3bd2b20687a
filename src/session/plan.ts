/** From a request to a run that is planned completely: model, data, configuration and phone fit together. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type AdbDevice, formatServer } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { version } from '../base/version.ts';
import { printConfig, type ResolvedConfig } from '../config/index.ts';
import { inspectTextFile } from '../data/index.ts';
import { type DeviceProfile, deviceProfile, hashFile, runtimeBinary } from '../device/index.ts';
import { type AdapterInit, type ModelPack, openModel, resolveLoraTargets } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { DeployFile, NewRun, RunPlan, RunRecord, RunStore, RunTask } from '../runs/index.ts';
import { RUNTIME_FILE } from './device-phone.ts';
import { checkFits } from './fit.ts';
import {
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
  threads?: number | undefined;
}

export interface TrainRequest extends PlanRequest {
  config: ResolvedConfig;
  data: string;
}

export interface GenerateRequest extends PlanRequest {
  sampling: SamplingOptions;
  adapter?: AdapterInit | undefined;
}

export interface EvaluateRequest extends PlanRequest {
  data: string;
  sequenceLength: number;
  batchSize: number;
  adapter?: AdapterInit | undefined;
}

/**
 * Records a training run. Nothing has touched the phone but questions.
 *
 * @throws MftError model.*, data.*, config.value (2), device.* (3, 4)
 */
export async function planTraining(request: TrainRequest, operation: Operation = {}): Promise<RunRecord> {
  const { config } = request;
  const { pack, profile, files } = await prepare(request, operation);
  if (config.data.sequence_length > pack.config.maxPositions)
    throw new MftError(
      `data.sequence_length is ${config.data.sequence_length}, but ${pack.name} has ${pack.config.maxPositions} positions`,
      {
        code: 'config.value',
        exit: ExitCode.usage,
        suggestions: [`--set data.sequence_length=${pack.config.maxPositions}`],
      },
    );
  const { r, alpha, targets: modules } = config.lora;
  const targets = config.method === 'full' ? [] : resolveLoraTargets(pack.config, { r, alpha, modules });
  const train = await dataSource(request.data, request.device, operation);
  const validation =
    config.data.validation === undefined
      ? undefined
      : await dataSource(config.data.validation, request.device, operation);
  checkFits({ config, pack, targets, profile });
  return record(
    request,
    'train',
    { pack, profile, method: config.method, config, data: request.data },
    (id) => ({
      spec: mft.v1.RunSpec.encode(trainSpec(id, config, pack, targets, { train, validation })).finish(),
      files: [...files, ...dataFiles('data', train), ...dataFiles('validation', validation)],
    }),
  );
}

export async function planGeneration(
  request: GenerateRequest,
  operation: Operation = {},
): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { adapter, sampling } = request;
  return record(request, 'generate', { pack, profile, method: '', config: undefined, data: '' }, (id) => ({
    spec: mft.v1.RunSpec.encode(
      generateSpec(id, pack, sampling, { adapter, threads: request.threads ?? 0 }),
    ).finish(),
    files: [...files, ...adapterFiles(adapter)],
  }));
}

export async function planEvaluation(
  request: EvaluateRequest,
  operation: Operation = {},
): Promise<RunRecord> {
  const { pack, profile, files } = await prepare(request, operation);
  const { adapter, batchSize } = request;
  const data = await dataSource(request.data, request.device, operation);
  const sequenceLength = Math.min(request.sequenceLength, pack.config.maxPositions);
  const threads = request.threads ?? 0;
  return record(
    request,
    'evaluate',
    { pack, profile, method: '', config: undefined, data: request.data },
    (id) => ({
      spec: mft.v1.RunSpec.encode(
        evaluateSpec(id, pack, { data, sequenceLength, batchSize, threads, adapter }),
      ).finish(),
      files: [...files, ...adapterFiles(adapter), ...dataFiles('data', data)],
    }),
  );
}

async function prepare(request: PlanRequest, operation: Operation) {
  const wait = operation.signal ? { signal: operation.signal } : {};
  const pack = await openModel(request.model, { ...operation, home: request.store.home });
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
