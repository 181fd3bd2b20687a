/** What the tests of this room share: temporary places, small Hugging Face folders, errors. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { MftError } from '../../src/base/errors.ts';
import { openAdapter } from '../../src/model/export/index.ts';
import type { JsonObject } from '../../src/model/json.ts';
import { openSafetensors } from '../../src/model/safetensors/reader.ts';
import { writeSafetensors } from '../../src/model/safetensors/writer.ts';
import { elementsOf } from '../../src/model/tensors/stream.ts';
import type { LoraTarget, ModelPack, Segment } from '../../src/model/types.ts';
import { mft } from '../../src/protocol/index.ts';

/** Folders written by transformers and peft: scripts/oracle/hf_gpt2.py. */
export const FIXTURES = join(import.meta.dirname, '../fixtures/hf-gpt2');

/** A temporary folder that goes away after the tests of a file. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mft-model-'));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** The MftError of a promise that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<MftError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof MftError)) throw new Error(`expected an MftError, got ${String(thrown)}`);
  return thrown;
}

export type Tensors = Map<string, { shape: number[]; values: Float32Array<ArrayBuffer> }>;

/** All tensors of a safetensors file. */
export async function readAll(path: string): Promise<Tensors> {
  const reader = await openSafetensors(path);
  const tensors: Tensors = new Map();
  for (const [name, shape] of reader.shapes)
    tensors.set(name, { shape: [...shape], values: await reader.read(name, 0, elementsOf(shape)) });
  await reader.close();
  return tensors;
}

/** The f32 bits of each tensor, for comparison to the bit. */
export function bitsOf(tensors: Tensors): Map<string, number[]> {
  return new Map(
    [...tensors]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { values }]) => [name, [...new Uint32Array(values.buffer)]]),
  );
}

export async function writeFolder(dir: string, config: JsonObject, tensors: Tensors): Promise<string> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  const plans = [...tensors].map(([name, { shape }]) => ({ name, shape, type: 'f32' as const }));
  await writeSafetensors(join(dir, 'model.safetensors'), plans, ({ name }) => [
    tensors.get(name)?.values ?? new Float32Array(),
  ]);
  return dir;
}

/** A pulled result in `dir`, made of segments whose files are there. */
export async function writeResult(
  dir: string,
  segments: Segment[],
  loraTargets: LoraTarget[],
  nameOf: (segment: Segment) => string,
): Promise<void> {
  const files = Object.fromEntries(segments.map((segment) => [segment.name, nameOf(segment)]));
  const manifest = { format: 1, runId: 'test', step: 3, weights: segments, loraTargets, files };
  await writeFile(join(dir, 'manifest.pb'), mft.v1.CheckpointManifest.encode(manifest).finish());
}

/** A PEFT folder as the result of a LoRA run, in the new folder `place`. */
export async function loraResult(peft: string, pack: ModelPack, place: string): Promise<string> {
  await mkdir(place);
  const adapter = await openAdapter(peft, pack.config, `${place}-cache`);
  await cp(adapter.file.path, join(place, 'adapter.seg'));
  await writeResult(place, [adapter.segment], adapter.targets, () => 'adapter.seg');
  return place;
}

/** The name of a segment's file in a pack. */
export function fileNameIn(pack: ModelPack) {
  return (segment: Segment) =>
    pack.files
      .find(({ sha256 }) => sha256 === Buffer.from(segment.sha256).toString('hex'))
      ?.path.split('/')
      .at(-1) ?? '';
}
