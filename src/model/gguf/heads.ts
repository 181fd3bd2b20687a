/**
 * The order of q's and k's rows in a GGUF file of a Llama: the two halves of each head, which RoPE turns against each other,
 * become alternate rows (convert_hf_to_gguf.py, LlamaModel.permute).
 */

type Values = Float32Array<ArrayBuffer> | Uint8Array;

/** Row of a head of `dim` rows in the file, for row `i` of Hugging Face's. */
function interleavedRow(i: number, dim: number): number {
  const half = dim / 2;
  return 2 * (i % half) + Math.floor(i / half);
}

/** Whole heads of `dim` rows of `stride` elements, from Hugging Face's order to the file's. */
export function interleave<T extends Values>(heads: T, dim: number, stride: number): T {
  return reordered(heads, dim, stride, true);
}

/** The way back. */
export function deinterleave<T extends Values>(heads: T, dim: number, stride: number): T {
  return reordered(heads, dim, stride, false);
}

function reordered<T extends Values>(heads: T, dim: number, stride: number, isForFile: boolean): T {
  if (!Number.isInteger(dim / 2) || heads.length % (dim * stride) !== 0)
    throw new RangeError(`${heads.length} elements are no whole heads of ${dim} rows of ${stride}`);
  const bytes = new ArrayBuffer(heads.byteLength);
  const out = (heads instanceof Uint8Array ? new Uint8Array(bytes) : new Float32Array(bytes)) as T;
  for (let head = 0; head < heads.length; head += dim * stride)
    for (let i = 0; i < dim; i += 1) {
      const [own, inFile] = [head + i * stride, head + interleavedRow(i, dim) * stride];
      const [from, to] = isForFile ? [own, inFile] : [inFile, own];
      out.set(heads.subarray(from, from + stride), to);
    }
  return out;
}
