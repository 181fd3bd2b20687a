/** Writes a model pack: pack.pb, one file a segment, tokenizer.bin, and the Hugging Face side files kept for exports. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Operation } from '../../base/progress.ts';
import { version } from '../../base/version.ts';
import { mft } from '../../protocol/index.ts';
import { stageFolder } from '../staging.ts';
import type { ModelConfig, PackManifest, Segment, StorageType } from '../types.ts';
import type { TensorPieces } from './encode.ts';
import { canonicalSegments } from './layout.ts';
import { writeSegment } from './segment-file.ts';
import { checkPack } from './validate.ts';

export const MANIFEST_FILE = 'pack.pb';
export const TOKENIZER_FILE = 'tokenizer.bin';
/** Begins the names of packs that were made of a folder or file by its path. */
export const CACHE_PREFIX = 'cache-';

export interface PackContent {
  config: ModelConfig;
  /** Where it comes from, for people. */
  source: string;
  /** Compiled tables; absent: a pack that can't read text. */
  tokenizer?: Uint8Array | undefined;
  /** config.json, tokenizer.json, ...: plain file names. */
  sideFiles: ReadonlyMap<string, Uint8Array>;
  /** Values of a canonical tensor, asked for once each, in walking order. */
  pieces: (tensor: string) => TensorPieces;
  /** How a canonical tensor is stored; absent: f32. */
  typeOf?: ((tensor: string) => StorageType) | undefined;
}

/** Fills the new folder `target`. On failure nothing is left. @throws MftError file.exists, or what `pieces` throws. */
export function writePack(
  target: string,
  content: PackContent,
  operation: Operation = {},
): Promise<PackManifest> {
  return stageFolder(target, async (dir) => {
    const shapes = canonicalSegments(content.config);
    const segments: Segment[] = [];
    for (const shape of shapes) {
      operation.signal?.throwIfAborted();
      operation.onProgress?.({
        phase: 'writing segments',
        done: segments.length,
        total: shapes.length,
        unit: 'files',
      });
      segments.push(await writeSegment(dir, shape, content.pieces, content.typeOf));
    }
    for (const [name, bytes] of content.sideFiles) await writeSynced(join(dir, name), bytes);
    if (content.tokenizer !== undefined) await writeSynced(join(dir, TOKENIZER_FILE), content.tokenizer);
    const manifest = mft.v1.PackManifest.create({
      format: 1,
      config: content.config,
      segments,
      source: content.source,
      createdBy: `mft ${version}`,
      ...(content.tokenizer === undefined
        ? {}
        : {
            tokenizerSha256: createHash('sha256').update(content.tokenizer).digest(),
            tokenizerBytes: content.tokenizer.length,
          }),
    }) as PackManifest;
    checkPack(manifest, target);
    await writeSynced(join(dir, MANIFEST_FILE), mft.v1.PackManifest.encode(manifest).finish());
    operation.onProgress?.({
      phase: 'writing segments',
      done: shapes.length,
      total: shapes.length,
      unit: 'files',
    });
    return manifest;
  });
}

/** A new small file, synced. */
export async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
