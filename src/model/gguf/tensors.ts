/** The tensors of a model in a GGUF file, each as rows of a canonical one, and their values on the way out. */
import { familyOf } from '../families/index.ts';
import { fullName, hfTensors } from '../import.ts';
import type { F32 } from '../tensors/float.ts';
import { elementsOf, inRows } from '../tensors/stream.ts';
import type { ModelConfig, TensorReader } from '../types.ts';
import { type Architecture, architectureOf } from './architectures.ts';
import { interleave } from './heads.ts';
import { rowsToQ8 } from './int-blocks.ts';
import type { GgufPiece } from './write.ts';

export interface GgufSource {
  /** In the file. */
  name: string;
  /** [out, in] for matrices, of Conv1D too. */
  shape: readonly number[];
  /** Canonical name, and the first of its rows. */
  tensor: string;
  rowBegin: number;
  /** Rows are interleaved in heads of so many. */
  headDim: number | undefined;
  /** A norm that is stored as 1 + w. */
  plusOne: boolean;
}

/** All tensors of a model, in the order of Hugging Face's list. */
export function ggufSources(config: ModelConfig): GgufSource[] {
  const family = familyOf(config.family, 'the model');
  const { architecture } = architectureOf(config.family);
  return hfTensors(family, config).map(({ hf, hfShape, tensor, rowBegin, transposed }) => {
    const { name, own } = ggufName(fullName(hf, family.prefix), architecture);
    return {
      name,
      shape: transposed ? [...hfShape].reverse() : hfShape,
      tensor,
      rowBegin,
      headDim: architecture.permuted && /^attn_[qk]$/.test(own) ? config.headDim : undefined,
      plusOne: architecture.normsPlusOne && own.endsWith('norm') && name.endsWith('.weight'),
    };
  });
}

/** What the file calls a Hugging Face tensor; `own`: without block and ending. */
function ggufName(hf: string, { outer, block, blockPrefix }: Architecture): { name: string; own: string } {
  const [, path = '', part = ''] = /^(.+)\.(weight|bias)$/.exec(hf) ?? [];
  const [, layer, inner] = /^(\d+)\.(.+)$/.exec(path.slice(blockPrefix.length + 1)) ?? [];
  const isBlock = path.startsWith(`${blockPrefix}.`) && layer !== undefined;
  const own = nameOf(isBlock ? block : outer, (isBlock ? inner : path) ?? '');
  return { name: `${isBlock ? `blk.${layer}.` : ''}${own}.${part}`, own };
}

function nameOf(names: Record<string, string>, hf: string): string {
  const found = Object.entries(names).find(([, value]) => value === hf);
  if (found === undefined) throw new RangeError(`GGUF has no name for ${hf}`);
  return found[0];
}

/** The values as the file has them, in pieces of whole rows; of int8 rows the blocks themselves when `asQ8`. */
export function ggufPieces(
  weights: TensorReader,
  source: GgufSource,
  asQ8: boolean,
): AsyncGenerator<GgufPiece> {
  const { tensor, shape, rowBegin, headDim, plusOne } = source;
  const columns = elementsOf(shape.slice(1));
  const order = <T extends F32 | Uint8Array>(rows: T, stride: number) =>
    headDim === undefined ? rows : interleave(rows, headDim, stride);
  const read = async (begin: number, end: number): Promise<GgufPiece> => {
    const [first, last] = [rowBegin + begin / columns, rowBegin + end / columns];
    const stored = asQ8 ? await weights.readInt8?.(tensor, first, last) : undefined;
    if (stored !== undefined) return rowsToQ8(order(stored, stored.length / (last - first)), columns);
    const values = await weights.read(tensor, first * columns, last * columns);
    if (plusOne) for (let i = 0; i < values.length; i += 1) values[i] = (values[i] ?? 0) + 1;
    return order(values, columns);
  };
  // Heads are never cut.
  return inRows(read, elementsOf(shape), columns * (headDim ?? 1));
}
