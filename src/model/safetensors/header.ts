/**
 * The header of a safetensors file: 8 bytes little-endian length N, N bytes of JSON, then the data. Format:
 * https://github.com/huggingface/safetensors (README, "Format"). Nothing in a header is trusted: every size and offset is
 * checked against the file before anything is read or allocated for it, and, as the format demands, the tensors cover
 * the data without overlap and without holes.
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import { isObject, parseJsonObject } from '../json.ts';

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Bits of an element. Types that mft does not compute with are known by size, so that their tensors can be skipped. */
const BITS: Record<string, number> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  F64: 64,
  I64: 64,
  U64: 64,
  C64: 64,
};

export interface TensorEntry {
  name: string;
  /** As in the file: "F32", "BF16", ... */
  dtype: string;
  shape: number[];
  /** Bytes from the start of the file. */
  begin: number;
  end: number;
}

/** @throws MftError model.safetensors-malformed naming the file and the place. */
export function malformedFile(path: string, why: string): MftError {
  return new MftError(`${path} is not a sound safetensors file: ${why}`, {
    code: 'model.safetensors-malformed',
    exit: ExitCode.usage,
    suggestions: ['Download the file again; it is probably incomplete or damaged.'],
  });
}

/** Header length from the first 8 bytes, checked against the file's size. */
export function headerLength(first8: Buffer, fileBytes: number, path: string): number {
  const length = first8.readBigUInt64LE(0);
  if (length > BigInt(MAX_HEADER_BYTES))
    throw malformedFile(path, `its header claims ${length} bytes, the limit is ${MAX_HEADER_BYTES}`);
  if (8n + length > BigInt(fileBytes))
    throw malformedFile(path, `its header claims ${length} bytes, the file has ${fileBytes}`);
  return Number(length);
}

/** Tensors of a header, in the order of their offsets. `dataBytes`: what follows the header in the file. */
export function parseHeader(
  json: string,
  headerBytes: number,
  dataBytes: number,
  path: string,
): TensorEntry[] {
  const raw = parseJsonObject(json, `${path} (header)`);
  const dataStart = 8 + headerBytes;
  const tensors: TensorEntry[] = [];
  for (const [name, value] of Object.entries(raw)) {
    if (name === '__metadata__') checkMetadata(value, path);
    else tensors.push(parseEntry(name, value, dataStart, dataBytes, path));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = dataStart;
  for (const tensor of tensors) {
    if (tensor.begin !== covered) {
      const what = tensor.begin < covered ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw malformedFile(
        path,
        `tensor "${tensor.name}" ${what}: it begins at data offset ${tensor.begin - dataStart}, ${covered - dataStart} was expected`,
      );
    }
    covered = tensor.end;
  }
  if (covered !== dataStart + dataBytes)
    throw malformedFile(
      path,
      `${dataBytes} bytes of data follow the header, its tensors cover ${covered - dataStart}`,
    );
  return tensors;
}

function checkMetadata(value: unknown, path: string): void {
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== 'string'))
    throw malformedFile(path, '__metadata__ is not a map of strings');
}

function parseEntry(
  name: string,
  value: unknown,
  dataStart: number,
  dataBytes: number,
  path: string,
): TensorEntry {
  const fail = (why: string) => malformedFile(path, `tensor "${name.slice(0, 200)}": ${why}`);
  if (!isObject(value)) throw fail('its entry is not an object');
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw fail(`unknown field "${unknown.slice(0, 200)}"`);
  const bits = typeof dtype === 'string' && Object.hasOwn(BITS, dtype) ? BITS[dtype] : undefined;
  if (typeof dtype !== 'string' || bits === undefined)
    throw fail(`unknown dtype ${JSON.stringify(dtype)?.slice(0, 200)}`);
  if (!isCounts(shape) || shape.length > 32) throw fail('its shape is not a list of whole numbers');
  if (!isCounts(offsets) || offsets.length !== 2) throw fail('data_offsets is not a pair of whole numbers');
  const [begin = 0, end = 0] = offsets;
  if (begin > end || end > dataBytes)
    throw fail(`data_offsets ${begin}..${end} lie outside the ${dataBytes} bytes of data`);
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = (elements * bits) / 8;
  if (!Number.isSafeInteger(elements) || !Number.isSafeInteger(bytes) || bytes !== end - begin)
    throw fail(`${dtype} [${shape.join(', ')}] needs ${bytes} bytes, data_offsets give ${end - begin}`);
  return { name, dtype, shape: [...shape], begin: dataStart + begin, end: dataStart + end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
