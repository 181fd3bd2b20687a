/** Reads tensors out of a GGUF file by ranges of elements, as f32. */
import { PositionedFile } from '../positioned-file.ts';
import type { F32 } from '../tensors/float.ts';
import type { TensorReader } from '../types.ts';
import { blockTypeNamed } from './blocks.ts';
import {
  type GgufTensor,
  type GgufValue,
  HeaderTruncated,
  malformedGguf,
  parseGgufHeader,
} from './header.ts';

const FIRST_READ = 4 << 20;
/** Vocabularies with their merges are some 20 MB. */
const MAX_HEADER_BYTES = 512 << 20;

export interface GgufReader extends TensorReader {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** @throws MftError model.file-missing, model.gguf-malformed, model.gguf-unsupported */
export async function openGguf(path: string): Promise<GgufReader> {
  const file = await PositionedFile.open(path, malformedGguf);
  try {
    const { metadata, tensors } = await readHeader(file);
    return {
      path,
      metadata,
      tensors,
      shapes: new Map([...tensors].map(([name, tensor]) => [name, tensor.shape])),
      read: (name, begin, end) => readElements(file, tensors.get(name), begin, end),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeader(file: PositionedFile) {
  const { path, bytes: fileBytes } = file;
  for (let length = Math.min(FIRST_READ, fileBytes); ; length = Math.min(4 * length, fileBytes)) {
    const bytes = await file.read(0, Math.min(length, MAX_HEADER_BYTES));
    try {
      return parseGgufHeader(bytes, fileBytes, path);
    } catch (error) {
      if (!(error instanceof HeaderTruncated)) throw error;
      if (length >= MAX_HEADER_BYTES)
        throw malformedGguf(path, `its header is longer than ${MAX_HEADER_BYTES} bytes`);
    }
  }
}

async function readElements(
  file: PositionedFile,
  tensor: GgufTensor | undefined,
  begin: number,
  end: number,
): Promise<F32> {
  if (tensor === undefined) throw new RangeError('no such tensor');
  const type = blockTypeNamed(tensor.type);
  const first = Math.floor(begin / type.elements);
  const last = Math.ceil(end / type.elements);
  if (!(begin >= 0 && begin <= end && tensor.begin + last * type.bytes <= tensor.end))
    throw new RangeError(`elements ${begin}..${end} of tensor ${tensor.name}`);
  const bytes = await file.read(tensor.begin + first * type.bytes, (last - first) * type.bytes);
  const values = new Float32Array((last - first) * type.elements);
  type.expand(bytes, values);
  // The range may begin and end inside blocks.
  return values.slice(begin - first * type.elements, end - first * type.elements);
}
