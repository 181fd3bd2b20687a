import { existsSync } from 'node:fs';
import { type AdbDevice, AdbServer, type ServerOptions, selectDevice } from '../../adb/index.ts';
import { ExitCode, MftError } from '../../base/errors.ts';
import { type AdapterInit, openAdapter, openModel } from '../../model/index.ts';
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

/** What `--model` and `--adapter` (a run, or a folder) name together; without an adapter the model must be named. */
export async function resolveModel(
  store: RunStore,
  flags: { model?: string | undefined; adapter?: string | undefined },
): Promise<{ model: string; adapter: AdapterInit | undefined }> {
  if (flags.adapter !== undefined) return await resolveAdapter(store, flags.adapter, flags.model);
  if (flags.model !== undefined) return { model: flags.model, adapter: undefined };
  throw new MftError('--model is missing', {
    code: 'usage.command-line',
    exit: ExitCode.usage,
    suggestions: ['mft model ls lists the models.'],
  });
}

/** `--adapter RUN|DIR`: a folder if there is one of that name, else a run whose result is here. */
async function resolveAdapter(
  store: RunStore,
  reference: string,
  model: string | undefined,
): Promise<{ adapter: AdapterInit; model: string }> {
  const open = async (dir: string, base: string) => {
    const pack = await openModel(base, { home: store.home });
    return { adapter: await openAdapter(dir, pack.config), model: base };
  };
  if (existsSync(reference)) {
    if (model !== undefined) return open(reference, model);
    throw new MftError('an adapter from a folder needs the model that it was trained on', {
      code: 'usage.command-line',
      exit: ExitCode.usage,
      suggestions: ['Name it with --model.'],
    });
  }
  const run = store.find(reference);
  const { result } = collectedPaths(store, run.id);
  if (existsSync(result)) return open(result, model ?? run.model);
  throw new MftError(`the result of ${run.id} is not on this computer`, {
    code: 'run.not-collected',
    exit: ExitCode.usage,
    suggestions: [`mft runs pull ${run.id}`, `It is ${run.state}: mft attach ${run.id}`],
  });
}
