/**
 * Writes a GGUF file (version 3, little-endian) as a stream: header and metadata first, then each tensor in pieces, at
 * multiples of 32 bytes. Memory: the metadata and a piece.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { ExitCode, MftError } from '../../base/errors.ts';
import { type F32, narrow, overflows } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import { Q8_0, Q8RangeError, quantizeQ8 } from './int-blocks.ts';
import { encodeString, type GgufMetadata, u32, u64 } from './metadata.ts';

const VERSION = 3;
/** GGUF_DEFAULT_ALIGNMENT: so general.alignment need not be said. */
const ALIGNMENT = 32;

/** Storage types that mft writes. */
export type GgufType = 'F32' | 'F16' | 'BF16' | 'Q8_0';

/** Number of the type (enum ggml_type), elements and bytes of a block. */
const TYPES: Record<GgufType, { id: number; elements: number; bytes: number }> = {
  F32: { id: 0, elements: 1, bytes: 4 },
  F16: { id: 1, elements: 1, bytes: 2 },
  Q8_0: { id: 8, elements: Q8_0.elements, bytes: Q8_0.bytes },
  BF16: { id: 30, elements: 1, bytes: 2 },
};

export interface GgufPlan {
  name: string;
  /** Row-major; rows of Q8_0 are multiples of 32. */
  shape: readonly number[];
  type: GgufType;
}

/** Values, or bytes as they are to be stored; in whole blocks. */
export type GgufPiece = F32 | Uint8Array;

/**
 * Writes and syncs `path`, which must not exist. `pieces(plan)` is asked once for each tensor, in order, and yields exactly
 * its elements. @throws MftError model.value-range when a value does not fit its type. @returns bytes written
 */
export async function writeGguf(
  path: string,
  metadata: GgufMetadata,
  plans: readonly GgufPlan[],
  pieces: (plan: GgufPlan) => AsyncIterable<GgufPiece>,
): Promise<number> {
  const file = await open(path, 'wx');
  try {
    const head = header(metadata, plans);
    await file.appendFile(head);
    let written = head.length;
    for (const plan of plans) written += await writeTensor(file, plan, pieces(plan));
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}

function bytesOf({ shape, type }: GgufPlan): number {
  const { elements, bytes } = TYPES[type];
  return (elementsOf(shape) / elements) * bytes;
}

function header(metadata: GgufMetadata, plans: readonly GgufPlan[]): Buffer {
  const parts = [
    Buffer.from('GGUF'),
    u32(VERSION),
    u64(plans.length),
    u64(metadata.values.size),
    metadata.encode(),
  ];
  let offset = 0;
  for (const plan of plans) {
    parts.push(encodeString(plan.name), u32(plan.shape.length));
    for (const size of [...plan.shape].reverse()) parts.push(u64(size));
    parts.push(u32(TYPES[plan.type].id), u64(offset));
    offset = aligned(offset + bytesOf(plan));
  }
  const bytes = Buffer.concat(parts);
  return Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);
}

function aligned(position: number): number {
  return Math.ceil(position / ALIGNMENT) * ALIGNMENT;
}

async function writeTensor(
  file: FileHandle,
  plan: GgufPlan,
  pieces: AsyncIterable<GgufPiece>,
): Promise<number> {
  const total = bytesOf(plan);
  let written = 0;
  for await (const piece of pieces) {
    const bytes = piece instanceof Uint8Array ? piece : encode(plan, piece);
    written += bytes.length;
    if (written > total) break;
    await file.appendFile(bytes);
  }
  if (written !== total) throw new RangeError(`tensor ${plan.name}: ${written} bytes of ${total}`);
  const padding = aligned(total) - total;
  if (padding > 0) await file.appendFile(new Uint8Array(padding));
  return total + padding;
}

function encode({ name, type }: GgufPlan, values: F32): Uint8Array {
  if (type === 'F32') return narrow(values, 'f32');
  try {
    if (type === 'Q8_0') return quantizeQ8(values);
  } catch (error) {
    if (error instanceof Q8RangeError) throw outOfRange(name, type, `a value ${error.value}`);
    throw error;
  }
  const float = type === 'F16' ? 'f16' : 'bf16';
  const bytes = narrow(values, float);
  if (overflows(values, bytes, float)) throw outOfRange(name, type, 'values beyond its range');
  return bytes;
}

function outOfRange(name: string, type: GgufType, what: string): MftError {
  return new MftError(`tensor ${name} can't be written as ${type}: it holds ${what}`, {
    code: 'model.value-range',
    exit: ExitCode.usage,
    suggestions: [
      'Write it in bf16 or f32: --dtype bf16',
      'Values that are not finite come from a broken or cut-short training.',
    ],
  });
}
