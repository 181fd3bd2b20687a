/** Values on their way into a pack: f32 pieces in, stored bytes out, in the memory of a piece and a row. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { BlockRangeError, blockRowBytes, packRows } from '../tensors/blocks.ts';
import { type F32, FLOAT_BYTES, narrow, overflows } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { StorageType } from '../types.ts';

/** Values, or bytes that are already what is to be stored (of int8 and int4 in whole rows). */
export type TensorPiece = F32 | Uint8Array;
export type TensorPieces = AsyncIterable<TensorPiece> | Iterable<TensorPiece>;

/** Elements of a piece of a tensor with rows of `columns`. */
export function elementsIn(piece: TensorPiece, type: StorageType, columns: number): number {
  if (!(piece instanceof Uint8Array)) return piece.length;
  if (type === 'int8' || type === 'int4') return (piece.length / blockRowBytes(type, columns)) * columns;
  return piece.length / FLOAT_BYTES[type];
}

export interface EncodedTensor {
  name: string;
  shape: readonly number[];
  type: StorageType;
}

/**
 * The stored bytes of a tensor whose pieces yield exactly its elements, cut anywhere.
 * @throws MftError model.value-range naming the tensor when a value does not fit the type.
 */
export async function* encoded(tensor: EncodedTensor, pieces: TensorPieces): AsyncGenerator<Uint8Array> {
  let left = elementsOf(tensor.shape);
  const encode = encoderOf(tensor);
  for await (const piece of pieces) {
    left -= elementsIn(piece, tensor.type, tensor.shape[1] ?? 1);
    if (left < 0) break;
    const bytes = piece instanceof Uint8Array ? piece : encode(piece);
    if (bytes.length > 0) yield bytes;
  }
  if (left !== 0) throw new RangeError(`tensor ${tensor.name}: ${left} elements missing`);
}

function encoderOf({ name, shape, type }: EncodedTensor): (piece: F32) => Uint8Array {
  if (type !== 'int8' && type !== 'int4')
    return (piece) => {
      const bytes = narrow(piece, type);
      if (type !== 'f32' && overflows(piece, bytes, type))
        throw outOfRange(name, type, `it holds values beyond the range of ${type}`);
      return bytes;
    };
  const columns = shape[1] ?? 1;
  let rest: F32 = new Float32Array();
  return (piece) => {
    const all = rest.length === 0 ? piece : concatenated(rest, piece);
    const whole = all.length - (all.length % columns);
    rest = all.slice(whole);
    try {
      return packRows(all.subarray(0, whole), columns, type);
    } catch (error) {
      if (!(error instanceof BlockRangeError)) throw error;
      throw outOfRange(name, type, `it holds a value or scale ${error.value}, which ${type} can not`);
    }
  };
}

function concatenated(a: F32, b: F32): F32 {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function outOfRange(name: string, type: StorageType, why: string): MftError {
  return new MftError(`tensor ${name} can't be stored as ${type}: ${why}`, {
    code: 'model.value-range',
    exit: ExitCode.usage,
    suggestions: [
      'Store it as it is: --dtype auto',
      'Values that are not finite come from a broken or cut-short training.',
    ],
  });
}
