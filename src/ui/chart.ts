/**
 * A line chart out of Braille characters: each cell holds 2 x 4 dots (Unicode U+2800 block), so a chart of 60 x 8 cells
 * shows 120 x 32 points. Pure: numbers in, rows of text out.
 */

export interface Point {
  x: number;
  y: number;
}

export interface ChartOptions {
  /** Cells, without the axis labels. */
  width: number;
  height: number;
  /** The x axis; default: from the first to the last point. */
  xRange?: [number, number];
  formatY?: (y: number) => string;
}

// The bit of each dot in a Braille cell, [row][column].
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/** Rows, top first: each the y label of that row (right-aligned, only at top, middle and bottom) and the dots. */
export function brailleChart(
  points: readonly Point[],
  options: ChartOptions,
): { label: string; dots: string }[] {
  const { width, height } = options;
  const format = options.formatY ?? ((y: number) => y.toPrecision(3));
  const finite = points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
  const cells = new Uint8Array(width * height);
  const range = yRange(finite);
  const [x0, x1] = options.xRange ?? [finite[0]?.x ?? 0, finite.at(-1)?.x ?? 1];
  const columns = width * 2;
  const rows = height * 4;

  let previous: { column: number; row: number } | undefined;
  for (const [column, y] of bucket(finite, x0, x1, columns)) {
    const share = (y - range.low) / (range.high - range.low);
    const row = Math.round((1 - share) * (rows - 1));
    for (const dot of previous ? steps(previous, { column, row }) : [{ column, row }]) {
      const index = (dot.row >> 2) * width + (dot.column >> 1);
      cells[index] = (cells[index] ?? 0) | (DOTS[dot.row & 3]?.[dot.column & 1] ?? 0);
    }
    previous = { column, row };
  }

  const labels = new Map([
    [0, format(range.high)],
    [height - 1, format(range.low)],
  ]);
  if (height >= 5) labels.set(height >> 1, format((range.high + range.low) / 2));
  const labelWidth = Math.max(...[...labels.values()].map((l) => l.length));
  return Array.from({ length: height }, (_, row) => ({
    label: (finite.length > 0 ? (labels.get(row) ?? '') : '').padStart(labelWidth),
    dots: String.fromCodePoint(
      ...Array.from(cells.subarray(row * width, (row + 1) * width), (c) => 0x2800 + c),
    ),
  }));
}

/** Lowest and highest y, with room around a flat line. */
function yRange(points: readonly Point[]): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { y } of points) {
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  if (low > high) return { low: 0, high: 1 };
  if (low === high) return { low: low - 0.5, high: high + 0.5 };
  return { low, high };
}

/** The mean y of the points of each dot column that has any, left to right. */
function bucket(points: readonly Point[], x0: number, x1: number, columns: number): Map<number, number> {
  const sums = new Map<number, { sum: number; count: number }>();
  const span = Math.max(x1 - x0, Number.MIN_VALUE);
  for (const { x, y } of points) {
    const column = Math.round(((x - x0) / span) * (columns - 1));
    if (column < 0 || column >= columns) continue;
    const entry = sums.get(column) ?? { sum: 0, count: 0 };
    entry.sum += y;
    entry.count += 1;
    sums.set(column, entry);
  }
  return new Map(
    [...sums].sort(([a], [b]) => a - b).map(([column, { sum, count }]) => [column, sum / count]),
  );
}

/** The dots of a straight line after `from` up to and with `to`. */
function* steps(from: { column: number; row: number }, to: { column: number; row: number }) {
  const length = Math.max(Math.abs(to.column - from.column), Math.abs(to.row - from.row), 1);
  for (let i = 1; i <= length; i += 1) {
    yield {
      column: from.column + Math.round(((to.column - from.column) * i) / length),
      row: from.row + Math.round(((to.row - from.row) * i) / length),
    };
  }
}

/** A bar of `width` cells, filled to `share` (0 to 1) in eighths of a cell. */
export function progressBar(share: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8);
  const full = eighths >> 3;
  const part = eighths & 7;
  const bar = '█'.repeat(full) + (part > 0 ? String.fromCodePoint(0x2590 - part) : '');
  return bar.padEnd(width, '░');
}
