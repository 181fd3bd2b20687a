/**
 * Manifests read from disk, checked before anything is believed: sizes and counts bounded, layouts sound, hashes of the
 * right length, and exactly the tensors that the configuration asks for.
 */
import { z } from 'zod';
import { ExitCode, MftError } from '../../base/errors.ts';
import { mft } from '../../protocol/index.ts';
import type { ModelConfig, PackManifest, Segment, Tensor } from '../types.ts';
import { canonicalSegments, SEGMENT_ALIGNMENT, TENSOR_ALIGNMENT } from './layout.ts';
import { isStoredMatrix, storageTypeOf, storedBytes } from './storage.ts';

const MAX_SEGMENT_BYTES = 2 ** 40;
const MAX_NAME = 256;
const { NormKind, Activation, PositionKind, RopeScalingKind } = mft.v1;

/** @throws MftError model.pack-damaged naming the place. */
export function damaged(place: string, why: string): MftError {
  return new MftError(`${place} is damaged: ${why}`, {
    code: 'model.pack-damaged',
    exit: ExitCode.usage,
    suggestions: ['Remove the model and import it again.'],
  });
}

const count = (max: number) => z.number().int().min(1).max(max);
/** A scale, cap or base: finite, and 0 where 0 means "none". */
const scale = z.number().min(0).max(1e30);
const ropeScaling = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal(RopeScalingKind.ROPE_SCALING_NONE) }),
  z.object({ kind: z.literal(RopeScalingKind.ROPE_SCALING_LINEAR), factor: scale.positive() }),
  z
    .object({
      kind: z.literal(RopeScalingKind.ROPE_SCALING_LLAMA3),
      factor: scale.positive(),
      lowFreqFactor: scale.positive(),
      highFreqFactor: scale.positive(),
      originalMaxPositions: count(1 << 24),
    })
    .refine(
      ({ lowFreqFactor: low, highFreqFactor: high }) => low < high,
      'low_freq_factor >= high_freq_factor',
    ),
]);
const configSchema = z
  .object({
    family: z.string().regex(/^[a-z0-9_.-]{1,40}$/),
    vocabSize: count(1 << 24),
    hiddenSize: count(1 << 17),
    numLayers: count(4096),
    numHeads: count(4096),
    numKvHeads: count(4096),
    headDim: count(256),
    intermediateSize: count(1 << 20),
    maxPositions: count(1 << 24),
    norm: z.literal([NormKind.NORM_LAYER, NormKind.NORM_RMS, NormKind.NORM_RMS_PLUS_ONE]),
    normEps: z.number().positive().max(1),
    activation: z.literal([Activation.ACTIVATION_GELU_TANH, Activation.ACTIVATION_SILU]),
    position: z.literal([PositionKind.POSITION_LEARNED, PositionKind.POSITION_ROPE]),
    bosToken: z.number().int().min(0),
    eosToken: z.number().int().min(0),
    ropeTheta: scale,
    ropeScaling: ropeScaling.nullish(),
    ropeLocalTheta: scale,
    slidingWindow: z.number().int().min(0),
    slidingLayers: z.array(z.boolean()),
    embedScale: scale,
    attentionScale: scale,
    attentionSoftcap: scale,
    logitSoftcap: scale,
  })
  .refine(
    (config) => config.numHeads % config.numKvHeads === 0,
    'num_heads is not a multiple of num_kv_heads',
  )
  .refine(
    ({ position, headDim, ropeTheta }) =>
      position !== PositionKind.POSITION_ROPE || (headDim % 2 === 0 && ropeTheta > 0),
    'RoPE needs a base and an even head_dim',
  )
  .refine(
    ({ slidingLayers, numLayers }) => slidingLayers.length === 0 || slidingLayers.length === numLayers,
    'sliding_layers does not have one entry a layer',
  )
  .refine(
    ({ slidingLayers, slidingWindow }) => !slidingLayers.includes(true) || slidingWindow > 0,
    'layers slide without a window',
  )
  .refine((config) => config.bosToken < config.vocabSize, 'bos_token is outside the vocabulary')
  .refine((config) => config.eosToken < config.vocabSize, 'eos_token is outside the vocabulary');

/** The first thing that is wrong with a configuration, in words, or undefined. */
export function configFault(config: ModelConfig): string | undefined {
  const checked = configSchema.safeParse(config);
  if (checked.success) return undefined;
  const [issue] = checked.error.issues;
  const value = issue?.path.length === 1 ? Reflect.get(config, issue.path[0] ?? '') : undefined;
  const field = issue?.path.join('.') ?? '';
  const shown = value === undefined ? field : `${field} = ${String(value)}`;
  return `${shown === '' ? '' : `${shown}: `}${issue?.message ?? 'invalid configuration'}`;
}

/** Size, alignment, order and overlap of a segment's tensors. `place` names the manifest. */
export function checkSegment(segment: Segment, place: string): void {
  const where = `${place}, segment "${clip(segment.name)}"`;
  if (segment.name === '' || segment.name.length > MAX_NAME)
    throw damaged(place, 'a segment has no proper name');
  if (segment.sha256.length !== 32) throw damaged(where, 'its hash does not have 32 bytes');
  if (
    !isCount(segment.bytes, MAX_SEGMENT_BYTES) ||
    segment.bytes === 0 ||
    segment.bytes % SEGMENT_ALIGNMENT !== 0
  )
    throw damaged(where, `${segment.bytes} bytes are not a multiple of ${SEGMENT_ALIGNMENT}`);
  const names = new Set<string>();
  for (const tensor of segment.tensors) {
    checkTensor(tensor, segment.bytes, where);
    if (names.has(tensor.name)) throw damaged(where, `tensor "${clip(tensor.name)}" is there twice`);
    names.add(tensor.name);
  }
  const byOffset = [...segment.tensors].sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of byOffset.entries()) {
    const next = byOffset[i + 1];
    if (next !== undefined && tensor.offset + tensor.bytes > next.offset)
      throw damaged(where, `tensors "${clip(tensor.name)}" and "${clip(next.name)}" overlap`);
  }
}

function checkTensor(tensor: Tensor, segmentBytes: number, where: string): void {
  const at = `${where}, tensor "${clip(tensor.name)}"`;
  if (tensor.name === '' || tensor.name.length > MAX_NAME)
    throw damaged(where, 'a tensor has no proper name');
  const type = storageTypeOf(tensor.dtype);
  if (type === undefined) throw damaged(at, `type ${tensor.dtype} is no storage type of weights`);
  const sound = tensor.shape.length >= 1 && tensor.shape.length <= 4;
  if (!sound || tensor.shape.some((size) => !isCount(size, MAX_SEGMENT_BYTES) || size === 0))
    throw damaged(at, 'its shape is not 1 to 4 positive sizes');
  const bytes = storedBytes(type, tensor.shape);
  if (bytes === undefined) throw damaged(at, `${type} stores matrices only`);
  if (tensor.bytes !== bytes) throw damaged(at, `its shape needs ${bytes} bytes, it has ${tensor.bytes}`);
  if (!isCount(tensor.offset, MAX_SEGMENT_BYTES) || tensor.offset % TENSOR_ALIGNMENT !== 0)
    throw damaged(at, `offset ${tensor.offset} is not a multiple of ${TENSOR_ALIGNMENT}`);
  if (tensor.offset + bytes > segmentBytes) throw damaged(at, 'it reaches beyond the end of its file');
}

/** @throws MftError model.pack-damaged, or model.pack-version for a pack of another format. */
export function checkPack(manifest: PackManifest, place: string): void {
  if (manifest.format !== 1)
    throw new MftError(`${place} has pack format ${manifest.format}, this mft reads format 1`, {
      code: 'model.pack-version',
      exit: ExitCode.usage,
      suggestions: ['Import the model again with this version of mft.'],
    });
  if (manifest.config === null) throw damaged(place, 'it has no configuration');
  const fault = configFault(manifest.config);
  if (fault !== undefined) throw damaged(place, fault);
  if (![0, 32].includes(manifest.tokenizerSha256.length) || !isCount(manifest.tokenizerBytes, 2 ** 32))
    throw damaged(place, 'its tokenizer entry is not sound');
  if ((manifest.tokenizerSha256.length === 0) !== (manifest.tokenizerBytes === 0))
    throw damaged(place, 'its tokenizer has a hash without a size, or a size without a hash');
  for (const segment of manifest.segments) checkSegment(segment, place);
  checkAgainstConfig(manifest.config, manifest.segments, place);
  for (const { name, tensors } of manifest.segments)
    for (const tensor of tensors)
      if (!isStoredMatrix(tensor.name)) checkF32(tensor, `${place}, segment "${clip(name)}"`);
}

/** Norms, biases and positions of a pack, and whatever was trained, are f32. */
export function checkF32(tensor: Tensor, where: string): void {
  if (tensor.dtype !== mft.v1.DType.DTYPE_F32)
    throw damaged(`${where}, tensor "${clip(tensor.name)}"`, `type ${tensor.dtype} is not f32`);
}

/** Exactly the segments and tensors of the configuration, in walking order. */
export function checkAgainstConfig(config: ModelConfig, segments: Segment[], place: string): void {
  if (segments.length !== config.numLayers + 2)
    throw damaged(place, `${segments.length} segments, ${config.numLayers + 2} expected`);
  for (const [i, expected] of canonicalSegments(config).entries()) {
    const segment = segments[i];
    if (segment?.name !== expected.name)
      throw damaged(place, `segment ${i} is "${clip(segment?.name ?? '')}", "${expected.name}" expected`);
    const shapes = new Map(segment.tensors.map((tensor) => [tensor.name, tensor.shape.join(',')]));
    for (const { name, shape } of expected.tensors) {
      const found = shapes.get(name);
      if (found !== shape.join(','))
        throw damaged(
          place,
          `tensor ${name} has shape [${found ?? 'missing'}], [${shape.join(',')}] expected`,
        );
    }
    if (segment.tensors.length !== expected.tensors.length)
      throw damaged(place, `segment "${segment.name}" has tensors that the configuration does not know`);
  }
}

function isCount(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

/** A name from a file, fit for a message. */
function clip(name: string): string {
  return JSON.stringify(name.slice(0, 80)).slice(1, -1);
}
