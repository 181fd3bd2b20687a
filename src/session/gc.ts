/** What on a phone no run needs any more. */
import type { WaitOptions } from '../adb/index.ts';
import { messageOf } from '../base/errors.ts';
import { deviceProfile, Runtime } from '../device/index.ts';
import { mft } from '../protocol/index.ts';
import { RUN_ID, type RunStore } from '../runs/index.ts';
import type { DevicePhone } from './device-phone.ts';
import { isEnd } from './machine.ts';

const LIST_RUNS =
  'cd "$1/runs" 2>/dev/null || exit 0; for f in *; do if [ -d "$f" ]; then echo "$f"; fi; done';
const SPEC_LIMIT = 64 << 20;

export interface GarbageReport {
  /** Files of the store that were deleted. */
  files: number;
  bytes: number;
  /** Folders of ended runs that were deleted. */
  runs: string[];
  /** Runs whose files were kept, and why. */
  kept: { run: string; why: string }[];
}

/**
 * Deletes store files that no run needs which can still go on, and with `endedRuns` the folders of ended runs whose result
 * is on this host. A run that can't be judged keeps everything that its specification names.
 */
export async function collectGarbage(
  store: RunStore,
  phone: DevicePhone,
  options: WaitOptions & { endedRuns?: boolean } = {},
): Promise<GarbageReport> {
  const { device, store: files } = phone;
  const runtime = await Runtime.deploy(files, (await deviceProfile(device, options)).abi);
  const keep = new Set([runtime.path.slice(runtime.path.lastIndexOf('/') + 1)]);
  const report: GarbageReport = { files: 0, bytes: 0, runs: [], kept: [] };
  const known = new Map(store.list(1e6).map((run) => [run.id, run]));
  for (const run of known.values())
    if (run.serial === device.serial && !isEnd(run.state))
      for (const { sha256 } of run.files) keep.add(sha256);
  const { stdout } = await device.exec(['sh', '-c', LIST_RUNS, 'mft', files.root], options);
  for (const id of stdout.toString().split('\n')) {
    if (!RUN_ID.test(id)) continue;
    const why = await neededBecause(runtime, id, options);
    if (why !== undefined) {
      for (const hash of await specHashes(phone, id, options)) keep.add(hash);
      report.kept.push({ run: id, why });
    } else if (options.endedRuns && known.get(id)?.collected) {
      await device.exec(['rm', '-rf', files.runPath(id)], options);
      report.runs.push(id);
    }
  }
  const { files: deleted, bytes } = await files.gc(keep, options);
  return { ...report, files: deleted, bytes };
}

/** Undefined: the run has ended, by its own word. */
async function neededBecause(
  runtime: Runtime,
  id: string,
  options: WaitOptions,
): Promise<string | undefined> {
  try {
    const { alive, ended } = await runtime.status(id, options);
    return ended && !alive ? undefined : alive ? 'it is going on' : 'it can go on';
  } catch (error) {
    return messageOf(error);
  }
}

async function specHashes(phone: DevicePhone, id: string, options: WaitOptions): Promise<string[]> {
  const file = `${phone.store.runPath(id)}/spec.pb`;
  const { exitCode, stdout } = await phone.device.exec(['cat', file], { ...options, maxOutput: SPEC_LIMIT });
  if (exitCode !== 0) return []; // not deployed completely: its host pushes again what is missing
  const { model, data, adapter, train } = mft.v1.RunSpec.decode(stdout);
  const hashes = [
    ...(model?.segments ?? []).map(({ sha256 }) => sha256),
    model?.tokenizerSha256,
    data?.train?.storeSha256,
    data?.validation?.storeSha256,
    adapter?.initSha256,
    train?.lora?.initSha256,
  ];
  return hashes.filter((hash) => hash !== undefined && hash !== null && hash.length === 32).map(hexOf);
}

function hexOf(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}
