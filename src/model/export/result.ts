/** A trained result (or a checkpoint) as pulled from a phone: `manifest.pb` and the segment files beside it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError, messageOf } from '../../base/errors.ts';
import { mft } from '../../protocol/index.ts';
import { readBounded } from '../json.ts';
import { adapterSegmentShape } from '../lora.ts';
import { hexOf, openSegments } from '../pack/segment-file.ts';
import { checkAgainstConfig, checkF32, checkSegment } from '../pack/validate.ts';
import type { LoraTarget, ModelConfig, PackFile, Segment, TensorReader, TrainedResult } from '../types.ts';

export const RESULT_MANIFEST = 'manifest.pb';
const MAX_MANIFEST_BYTES = 64 << 20;
const MAX_TARGETS = 1 << 16;

/** @throws MftError result.damaged naming the place. */
export function damagedResult(place: string, why: string): MftError {
  return new MftError(`${place} is no sound result: ${why}`, {
    code: 'result.damaged',
    exit: ExitCode.usage,
    suggestions: ['Pull the result again: mft runs pull RUN'],
  });
}

/** Checks the manifest and the sizes of its files (for their hashes: verifyFiles). @throws MftError result.damaged. */
export async function openResult(dir: string): Promise<TrainedResult> {
  const place = join(dir, RESULT_MANIFEST);
  const bytes = await readBounded(place, MAX_MANIFEST_BYTES);
  let manifest: mft.v1.CheckpointManifest;
  try {
    manifest = mft.v1.CheckpointManifest.decode(bytes);
  } catch (cause) {
    throw damagedResult(place, `it can't be decoded (${messageOf(cause)})`);
  }
  if (manifest.format !== 1) throw damagedResult(place, `format ${manifest.format} is not 1`);
  if (manifest.weights.length === 0) throw damagedResult(place, 'it has no weights');
  const method = manifest.loraTargets.length > 0 ? 'lora' : 'full';
  if (method === 'lora') checkTargets(manifest, place);
  const files: PackFile[] = [];
  const names = new Set<string>();
  for (const segment of manifest.weights) {
    checkSegment(segment, place);
    for (const tensor of segment.tensors) checkF32(tensor, place);
    if (names.has(segment.name)) throw damagedResult(place, `segment "${segment.name}" is there twice`);
    names.add(segment.name);
    files.push(await locate(segment, manifest, dir, place));
  }
  return { dir, manifest, method, files };
}

async function locate(
  segment: Segment,
  manifest: mft.v1.CheckpointManifest,
  dir: string,
  place: string,
): Promise<PackFile> {
  const name = Object.hasOwn(manifest.files, segment.name) ? manifest.files[segment.name] : undefined;
  if (name === undefined || !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/.test(name))
    throw damagedResult(place, `segment "${segment.name}" has no proper file name`);
  const path = join(dir, name);
  const found = await stat(path).catch((cause: unknown) => {
    throw damagedResult(path, messageOf(cause));
  });
  if (!found.isFile() || found.size !== segment.bytes)
    throw damagedResult(path, `it has ${found.size} bytes, ${segment.bytes} are expected`);
  return { name: segment.name, path, sha256: hexOf(segment.sha256), bytes: segment.bytes };
}

function checkTargets(manifest: mft.v1.CheckpointManifest, place: string): void {
  if (manifest.weights.length !== 1 || manifest.loraTargets.length > MAX_TARGETS)
    throw damagedResult(place, 'a LoRA result has one segment and a bounded number of targets');
  const seen = new Set<string>();
  for (const { tensor, rowBegin, rowEnd, r, alpha } of manifest.loraTargets) {
    const key = `${tensor}:${rowBegin}-${rowEnd}`;
    if (seen.has(key)) throw damagedResult(place, `two adapters on ${key.slice(0, 100)}`);
    seen.add(key);
    if (!(rowBegin < rowEnd && Number.isSafeInteger(rowEnd)) || r < 1 || !Number.isFinite(alpha))
      throw damagedResult(place, `the adapter on ${key.slice(0, 100)} has impossible sizes`);
  }
}

/** The adapter tensors of a LoRA result, checked against the model. Close it. */
export function adapterTensors(result: TrainedResult, config: ModelConfig): TensorReader {
  const [segment] = result.manifest.weights;
  const [file] = result.files;
  if (segment === undefined || file === undefined || result.method !== 'lora')
    throw damagedResult(result.dir, 'it has no adapter');
  checkAdapterSegment(segment, result.manifest.loraTargets, config, result.dir);
  return openSegments([{ segment, path: file.path }]);
}

/** Exactly A and B of every target, in their shapes. */
export function checkAdapterSegment(
  segment: Segment,
  targets: readonly LoraTarget[],
  config: ModelConfig,
  place: string,
): void {
  const expected = adapterSegmentShape(targets, config).tensors;
  const shapes = new Map(segment.tensors.map(({ name, shape }) => [name, shape.join(', ')]));
  for (const { name, shape } of expected)
    if (shapes.get(name) !== shape.join(', '))
      throw damagedResult(
        place,
        `tensor ${name} has shape [${shapes.get(name) ?? 'missing'}], [${shape.join(', ')}] is expected`,
      );
  if (shapes.size !== expected.length) throw damagedResult(place, 'the adapter has tensors of no target');
}

/** The weights of a full fine-tuning, checked against the model. Close it. */
export function fullTensors(result: TrainedResult, config: ModelConfig): TensorReader {
  checkAgainstConfig(config, result.manifest.weights, join(result.dir, RESULT_MANIFEST));
  return openSegments(
    result.manifest.weights.map((segment, i) => ({ segment, path: result.files[i]?.path ?? '' })),
  );
}
