/** Opens model packs. Nothing in a pack is trusted: the manifest is validated and every file is there in its size. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Operation } from '../../base/progress.ts';
import { mft } from '../../protocol/index.ts';
import { readBounded } from '../json.ts';
import type { ModelPack, PackFile, PackManifest, TensorReader } from '../types.ts';
import { countParameters } from './layout.ts';
import { hashFile, hexOf, openSegments, segmentFileName } from './segment-file.ts';
import { summarizeStorage } from './storage.ts';
import { checkPack, damaged } from './validate.ts';
import { MANIFEST_FILE, TOKENIZER_FILE } from './write.ts';

const MAX_MANIFEST_BYTES = 64 << 20;

/** @throws MftError model.file-missing, model.pack-damaged, model.pack-version. */
export async function openPack(dir: string, name: string = dir): Promise<ModelPack> {
  const place = join(dir, MANIFEST_FILE);
  const manifest = decodeManifest(await readBounded(place, MAX_MANIFEST_BYTES), place);
  const files = packFiles(dir, manifest);
  for (const file of files) await checkSize(file);
  return {
    name,
    dir,
    manifest,
    config: manifest.config,
    files,
    parameters: countParameters(manifest.config),
    storage: summarizeStorage(manifest.segments),
    hasTokenizer: manifest.tokenizerBytes > 0,
  };
}

function decodeManifest(bytes: Uint8Array, place: string): PackManifest {
  let manifest: PackManifest;
  try {
    manifest = mft.v1.PackManifest.decode(bytes);
  } catch (cause) {
    throw damaged(place, `it can't be decoded (${messageOf(cause)})`);
  }
  checkPack(manifest, place);
  return manifest;
}

/** Equal segments share one file: it is listed once. */
function packFiles(dir: string, manifest: PackManifest): PackFile[] {
  const files = new Map<string, PackFile>();
  for (const segment of manifest.segments) {
    const sha256 = hexOf(segment.sha256);
    const path = join(dir, segmentFileName(segment));
    if (!files.has(sha256)) files.set(sha256, { name: segment.name, path, sha256, bytes: segment.bytes });
  }
  if (manifest.tokenizerBytes > 0) {
    const sha256 = hexOf(manifest.tokenizerSha256);
    const path = join(dir, TOKENIZER_FILE);
    files.set(sha256, { name: 'tokenizer', path, sha256, bytes: manifest.tokenizerBytes });
  }
  return [...files.values()];
}

async function checkSize(file: PackFile): Promise<void> {
  const found = await stat(file.path).catch((cause: unknown) => {
    throw damaged(file.path, messageOf(cause));
  });
  if (!found.isFile() || found.size !== file.bytes)
    throw damaged(file.path, `it has ${found.size} bytes, the manifest says ${file.bytes}`);
}

/** Reads every file and compares its hash. @throws MftError model.pack-damaged naming the file. */
export async function verifyFiles(files: readonly PackFile[], operation: Operation = {}): Promise<void> {
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  let done = 0;
  for (const file of files) {
    await checkSize(file);
    const found = await hashFile(file.path, operation.signal);
    if (found !== file.sha256)
      throw damaged(file.path, `its SHA-256 is ${found}, ${file.sha256} was expected`);
    done += file.bytes;
    operation.onProgress?.({ phase: 'verifying', done, total, unit: 'bytes' });
  }
}

/** The pack's tensors by canonical name. Close it. */
export function packTensors(pack: ModelPack): TensorReader {
  return openSegments(
    pack.manifest.segments.map((segment) => ({ segment, path: join(pack.dir, segmentFileName(segment)) })),
  );
}
