/**
 * Writes a safetensors file as a stream: the header first (all names and shapes are known), then each tensor in pieces.
 * The header is padded with spaces so that the data begin at a multiple of 8, as the reference implementation does.
 */
import { open } from 'node:fs/promises';
import { ExitCode, MftError } from '../../base/errors.ts';
import { type F32, FLOAT_BYTES, narrow, overflows } from '../tensors/float.ts';
import type { FloatType } from '../types.ts';

export interface TensorPlan {
  name: string;
  shape: readonly number[];
  type: FloatType;
}

const DTYPES: Record<FloatType, string> = { f32: 'F32', bf16: 'BF16', f16: 'F16' };

/** Pieces of one tensor in row-major order. */
export type Pieces = AsyncIterable<F32> | Iterable<F32>;

function header(tensors: readonly TensorPlan[], metadata: Record<string, string>): Buffer {
  const entries: [string, unknown][] = [['__metadata__', metadata]];
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    const bytes = shape.reduce((product, size) => product * size, 1) * FLOAT_BYTES[type];
    entries.push([name, { dtype: DTYPES[type], shape, data_offsets: [offset, offset + bytes] }]);
    offset += bytes;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil((8 + json.length) / 8) * 8 - 8;
  const out = Buffer.alloc(8 + padded, ' ');
  out.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(out, 8);
  return out;
}

/**
 * Writes and syncs `path`, which must not exist. `pieces(plan)` is asked once for each tensor, in order, and must yield
 * exactly its elements. @throws MftError model.value-range when a finite value would become infinite. @returns bytes written
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorPlan[],
  pieces: (plan: TensorPlan) => Pieces,
  metadata: Record<string, string> = { format: 'pt' },
): Promise<number> {
  const file = await open(path, 'wx');
  try {
    const head = header(tensors, metadata);
    await file.appendFile(head);
    let written = head.length;
    for (const plan of tensors) {
      let left = plan.shape.reduce((product, size) => product * size, 1);
      for await (const piece of pieces(plan)) {
        left -= piece.length;
        if (left < 0) break;
        const bytes = narrow(piece, plan.type);
        if (plan.type !== 'f32' && overflows(piece, bytes, plan.type)) throw tooLarge(plan);
        await file.appendFile(bytes);
        written += bytes.length;
      }
      if (left !== 0) throw new RangeError(`tensor ${plan.name}: ${-left} elements too many`);
    }
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}

function tooLarge({ name, type }: TensorPlan): MftError {
  return new MftError(
    `tensor ${name} can't be written as ${type}: it holds values beyond the range of ${type}`,
    {
      code: 'model.value-range',
      exit: ExitCode.usage,
      suggestions: ['Write it in f32 or bf16.'],
    },
  );
}
