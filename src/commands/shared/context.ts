import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type AdbDevice, AdbServer, type ServerOptions, selectDevice } from '../../adb/index.ts';
import { ExitCode, MftError } from '../../base/errors.ts';
import type { RunRecord, RunStore } from '../../runs/index.ts';
import { collectedPaths, DevicePhone } from '../../session/index.ts';

/** `HOST:PORT`, as --adb-server and MFT_ADB_SERVER say it; `[::1]:5037` for IPv6. */
export function serverOptions(address: string | undefined): ServerOptions {
  if (address === undefined) return {};
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new MftError(`"${address}" is not the address of an adb server`, {
      code: 'usage.adb-server',
      exit: ExitCode.usage,
      suggestions: ['Give HOST:PORT, for example --adb-server 127.0.0.1:5037'],
    });
  return { host, port: Number(port) };
}

interface PhoneFlags {
  'adb-server'?: string | undefined;
  device?: string | undefined;
}

export function openServer(flags: PhoneFlags): Promise<AdbServer> {
  return AdbServer.connect(serverOptions(flags['adb-server']));
}

/** The phone named by --device, or the only one. */
export async function openDevice(flags: PhoneFlags): Promise<AdbDevice> {
  return selectDevice(await openServer(flags), flags.device);
}

/** The phone that a run is on. It need not be connected now. */
export async function phoneOf(run: RunRecord, flags: PhoneFlags): Promise<DevicePhone> {
  const server = await AdbServer.connect(serverOptions(flags['adb-server'] ?? run.server));
  return new DevicePhone(server.device(flags.device ?? run.serial));
}

/** What `--model` and `--adapter` (a run, or a folder) name together; without a run the model must be named. */
export function resolveModel(
  store: RunStore,
  flags: { model?: string | undefined; adapter?: string | undefined },
): { model: string; adapter?: string } {
  const adapter = flags.adapter === undefined ? undefined : adapterFolder(store, flags.adapter);
  const model = flags.model ?? adapter?.model;
  if (model !== undefined) return { model, ...(adapter ? { adapter: adapter.dir } : {}) };
  throw adapter ? missingBase() : missingModel();
}

/** A run whose result is here, or a folder: where the adapter is, and which model it belongs to when a run says so. */
export function adapterFolder(store: RunStore, reference: string): { dir: string; model?: string } {
  if (existsSync(reference)) return { dir: resolve(reference) };
  if (/[\\/]/.test(reference))
    throw new MftError(`there is no folder ${reference}`, {
      code: 'model.bad-adapter',
      exit: ExitCode.usage,
      suggestions: ['Give the folder of a PEFT adapter, or a run: mft runs ls'],
    });
  const run = findRun(store, reference);
  if (run.method === 'full')
    throw new MftError(`${run.id} trained all weights: it has no adapter`, {
      code: 'model.bad-adapter',
      exit: ExitCode.usage,
      suggestions: [`Its result is a model: --model ${collectedPaths(store, run.id).export}`],
    });
  const paths = collectedPaths(store, run.id);
  // The export says a little more than the result: the dropout that it was trained with.
  const dir = existsSync(join(paths.export, 'adapter_config.json')) ? paths.export : paths.result;
  if (existsSync(dir)) return { dir, model: run.model };
  throw new MftError(`the result of ${run.id} is not on this computer`, {
    code: 'run.not-collected',
    exit: ExitCode.usage,
    suggestions: [`mft runs pull ${run.id}`, `It is ${run.state}: mft attach ${run.id}`],
  });
}

function findRun(store: RunStore, reference: string): RunRecord {
  try {
    return store.find(reference);
  } catch (error) {
    if (!(error instanceof MftError) || error.code !== 'run.unknown') throw error;
    const { code, exit, suggestions } = error;
    throw new MftError(`there is no run "${reference}" and no folder of that name`, {
      code,
      exit,
      suggestions,
    });
  }
}

export function missingModel(): MftError {
  return new MftError('--model is missing', {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: ['mft model ls lists the models; mft model import DIR --name NAME adds one.'],
  });
}

export function missingBase(): MftError {
  return new MftError('an adapter from a folder needs the model that it was trained on', {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: ['Name it with --model.'],
  });
}
