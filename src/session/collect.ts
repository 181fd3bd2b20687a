/** The result of a run, from the phone to this host: verified against the run's own last word, then exported. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { exportResult, hashFile, openModel, openResult } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { RunRecord, RunStore } from '../runs/index.ts';
import type { RunPhone } from './phone.ts';

const MANIFEST = 'manifest.pb';
const MAX_MANIFEST_BYTES = 64 << 20;
/** What the phone may call a file; anything else could leave the folder. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/;

export interface Collected {
  /** Manifest and segments as they are on the phone. */
  result: string;
  /** A PEFT folder (LoRA) or a Hugging Face folder (full). */
  export: string;
}

/** Where a run's result is, or will be, on this host. */
export function collectedPaths(store: RunStore, id: string): Collected {
  const folder = store.folder(id);
  return { result: join(folder, 'result'), export: join(folder, 'export') };
}

/**
 * Pulls the result, all or nothing, and exports it. Repeating it does what is missing; a result of an earlier end (the run
 * was stopped, then resumed) is replaced.
 *
 * @throws MftError result.damaged when a hash is not the one that the run said; what pulling and exporting throw.
 */
export async function collect(
  store: RunStore,
  phone: RunPhone,
  id: string,
  finished: mft.v1.IFinished,
  operation: Operation = {},
): Promise<Collected | undefined> {
  const wanted = Buffer.from(finished.resultManifestSha256 ?? []).toString('hex');
  if (wanted === '') {
    store.update(id, { collected: true });
    return undefined; // evaluations and generations leave no files
  }
  const run = store.get(id);
  const paths = collectedPaths(store, id);
  if (!(await isResult(paths.result, wanted))) {
    await rm(paths.export, { recursive: true, force: true }); // of an earlier end: the run has gone on since
    await pullResult(store, phone, run, paths.result, wanted, operation);
  }
  if (!existsSync(paths.export)) await exportRun(store, run, paths, operation);
  store.update(id, { collected: true });
  return paths;
}

async function isResult(folder: string, manifestHash: string): Promise<boolean> {
  const manifest = join(folder, MANIFEST);
  return existsSync(manifest) && (await hashFile(manifest)) === manifestHash;
}

async function pullResult(
  store: RunStore,
  phone: RunPhone,
  run: RunRecord,
  target: string,
  manifestHash: string,
  operation: Operation,
): Promise<void> {
  const partial = `${target}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  const local = join(partial, MANIFEST);
  const manifestBytes = await phone.pull(run, `result/${MANIFEST}`, local, manifestHash, {});
  if (manifestBytes > MAX_MANIFEST_BYTES) throw damaged(run.id, `its manifest has ${manifestBytes} bytes`);
  const manifest = readManifest(await readFile(local), run.id);
  const files = manifest.weights.map((segment) => ({
    segment,
    name: fileName(manifest, segment.name, run.id),
  }));
  const total = files.reduce((sum, { segment }) => sum + segment.bytes, 0);
  const pulled = [{ name: MANIFEST, sha256: manifestHash, bytes: manifestBytes }];
  let before = 0;
  for (const { segment, name } of files) {
    const sha256 = Buffer.from(segment.sha256).toString('hex');
    const bytes = await phone.pull(run, `result/${name}`, join(partial, name), sha256, {
      ...(operation.signal ? { signal: operation.signal } : {}),
      onProgress: ({ done }) =>
        operation.onProgress?.({ phase: 'pull result', done: before + done, total, unit: 'bytes' }),
    });
    before += bytes;
    pulled.push({ name, sha256, bytes });
  }
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  store.clearArtifacts(run.id);
  for (const { name, sha256, bytes } of pulled)
    store.addArtifact(run.id, { kind: 'result', name, path: join(target, name), sha256, bytes });
}

async function exportRun(
  store: RunStore,
  run: RunRecord,
  paths: Collected,
  operation: Operation,
): Promise<void> {
  const [result, pack] = await Promise.all([
    openResult(paths.result),
    openModel(run.model, { home: store.home }),
  ]);
  const report = await exportResult(result, pack, {
    out: paths.export,
    format: result.method === 'full' ? 'hf' : 'peft',
    dropout: adapterDropout(run),
    ...(operation.signal ? { signal: operation.signal } : {}),
    onProgress: (progress) => operation.onProgress?.({ ...progress, phase: 'export' }),
  });
  for (const { name } of report.files) {
    const path = join(paths.export, name);
    const { size: bytes } = await stat(path);
    store.addArtifact(run.id, { kind: 'export', name, path, sha256: await hashFile(path), bytes });
  }
}

/** lora_dropout of a run, for what PEFT keeps of it. */
export function adapterDropout(run: RunRecord): number {
  return mft.v1.RunSpec.decode(run.spec).train?.lora?.dropout ?? 0;
}

function readManifest(bytes: Uint8Array, id: string): mft.v1.CheckpointManifest {
  let manifest: mft.v1.CheckpointManifest;
  try {
    manifest = mft.v1.CheckpointManifest.decode(bytes);
  } catch (error) {
    throw damaged(id, messageOf(error));
  }
  if (manifest.runId !== id)
    throw damaged(id, `its manifest is of the run ${JSON.stringify(manifest.runId)}`);
  return manifest;
}

function fileName(manifest: mft.v1.CheckpointManifest, segment: string, id: string): string {
  const name = Object.hasOwn(manifest.files, segment) ? manifest.files[segment] : undefined;
  if (name !== undefined && FILE_NAME.test(name) && name !== MANIFEST) return name;
  throw damaged(id, `segment ${JSON.stringify(segment)} has no proper file name`);
}

function damaged(id: string, why: string): MftError {
  return new MftError(`the result of ${id} is not sound: ${why}`, {
    code: 'result.damaged',
    exit: ExitCode.incapable,
    suggestions: [`mft runs pull ${id} tries again.`],
  });
}
