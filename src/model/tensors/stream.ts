/** Walking through tensors in bounded memory. */
import type { TensorReader } from '../types.ts';
import type { F32 } from './float.ts';

/** Most elements of a piece that is read as it lies: 16 MiB of f32. */
const PIECE_ELEMENTS = 4 << 20;
/** Most elements of a piece that is transposed, which is read once for each: 64 MiB of f32. */
const TRANSPOSED_ELEMENTS = 16 << 20;

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** What `read` gives of [begin, end), in pieces of at most `limit`; one piece is read ahead. */
export async function* inPieces<T>(
  read: (begin: number, end: number) => Promise<T>,
  begin: number,
  end: number,
  limit: number = PIECE_ELEMENTS,
): AsyncGenerator<T> {
  const start = (at: number) => {
    const piece = at < end ? read(at, Math.min(at + limit, end)) : undefined;
    piece?.catch(() => undefined); // seen when it is awaited, or never, when nobody wants it any more
    return piece;
  };
  let ahead = start(begin);
  try {
    for (let at = begin; at < end; at += limit) {
      const piece = ahead;
      ahead = start(at + limit);
      if (piece !== undefined) yield await piece;
    }
  } finally {
    await ahead?.catch(() => undefined); // nothing reads on behind the caller's back
  }
}

/** What `read` gives of the first `total` elements, in pieces of whole rows of `columns`. */
export function inRows<T>(
  read: (begin: number, end: number) => Promise<T>,
  total: number,
  columns: number,
): AsyncGenerator<T> {
  return inPieces(read, 0, total, columns * Math.max(1, Math.floor(PIECE_ELEMENTS / columns)));
}

/** Elements [begin, end) of a tensor in pieces of at most `limit`. */
export function readPieces(
  reader: Pick<TensorReader, 'read'>,
  name: string,
  begin: number,
  end: number,
  limit?: number,
): AsyncGenerator<F32> {
  return inPieces((from, to) => reader.read(name, from, to), begin, end, limit);
}

/**
 * The transpose [columns, rows] of a tensor [rows, columns], row by row of the result, in pieces. A tensor that fits into
 * `limit` is read once; a larger one is read once for each piece of its transpose.
 */
export async function* readTransposed(
  reader: Pick<TensorReader, 'read'>,
  name: string,
  rows: number,
  columns: number,
  limit: number = TRANSPOSED_ELEMENTS,
): AsyncGenerator<F32> {
  const width = Math.max(1, Math.floor(limit / rows)); // columns of the source in a piece
  const height = Math.max(1, Math.floor(limit / 8 / columns)); // rows of the source read at once
  for (let left = 0; left < columns; left += width) {
    const right = Math.min(left + width, columns);
    const piece = new Float32Array((right - left) * rows);
    for (let top = 0; top < rows; top += height) {
      const bottom = Math.min(top + height, rows);
      const source = await reader.read(name, top * columns, bottom * columns);
      transposeInto(piece, rows, top, source, bottom - top, columns, left, right);
    }
    yield piece;
  }
}

/** Copies bits, not numbers, so that a NaN keeps its payload. Tiles of 32 columns stay in cache. */
function transposeInto(
  piece: F32,
  pieceStride: number,
  top: number,
  source: F32,
  height: number,
  columns: number,
  left: number,
  right: number,
): void {
  const to = new Uint32Array(piece.buffer, piece.byteOffset, piece.length);
  const from = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let tile = left; tile < right; tile += 32) {
    const tileEnd = Math.min(tile + 32, right);
    for (let row = 0; row < height; row += 1)
      for (let column = tile; column < tileEnd; column += 1)
        to[(column - left) * pieceStride + top + row] = from[row * columns + column] ?? 0;
  }
}
