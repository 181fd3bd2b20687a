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
const MAX_HEADER_BYTES = 128 << 20;

export interface GgufReader extends TensorReader {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Elements [begin, end) of whole blocks as they lie in the file. */
  readStored(name: string, begin: number, end: number): Promise<Uint8Array>;
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
      readStored: (name, begin, end) => readBlocks(file, tensors.get(name), begin, end),
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

/** Elements [begin, end), which may begin and end inside blocks. */
async function readElements(
  file: PositionedFile,
  tensor: GgufTensor | undefined,
  begin: number,
  end: number,
): Promise<F32> {
  const type = blockTypeNamed(tensor?.type ?? 'F32');
  const first = Math.floor(begin / type.elements) * type.elements;
  const last = Math.ceil(end / type.elements) * type.elements;
  const values = new Float32Array(last - first);
  type.expand(await readBlocks(file, tensor, first, last), values);
  return values.slice(begin - first, end - first);
}

/** Elements [begin, end) of whole blocks as they lie in the file. */
async function readBlocks(
  file: PositionedFile,
  tensor: GgufTensor | undefined,
  begin: number,
  end: number,
): Promise<Buffer> {
  if (tensor === undefined) throw new RangeError('no such tensor');
  const { elements, bytes } = blockTypeNamed(tensor.type);
  const [first, last] = [begin / elements, end / elements];
  const isWhole = Number.isInteger(first) && Number.isInteger(last);
  if (!(isWhole && first >= 0 && first <= last && tensor.begin + last * bytes <= tensor.end))
    throw new RangeError(`elements ${begin}..${end} of tensor ${tensor.name}`);
  return await file.read(tensor.begin + first * bytes, (last - first) * bytes);
}
