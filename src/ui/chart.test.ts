import fc from 'fast-check';
import { expect, test } from 'vitest';
import { brailleChart, progressBar } from './chart.ts';

const dots = (text: string) => [...text].map((c) => (c.codePointAt(0) ?? 0) - 0x2800);

test('a falling line goes from the top left to the bottom right', () => {
  const rows = brailleChart(
    [
      { x: 0, y: 1 },
      { x: 1, y: 0 },
    ],
    { width: 4, height: 2 },
  );
  expect(rows.map((r) => r.label.trim())).toEqual(['1.00', '0.00']);
  expect((dots(rows[0]?.dots ?? '')[0] ?? 0) & 0x01).toBe(0x01);
  expect((dots(rows[1]?.dots ?? '')[3] ?? 0) & 0x80).toBe(0x80);
});

test('any points give a chart of the asked size; each finite point inside the range leaves a dot', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ x: fc.integer({ min: 0, max: 1000 }), y: fc.double() }), { maxLength: 300 }),
      fc.integer({ min: 1, max: 80 }),
      fc.integer({ min: 1, max: 20 }),
      (unsorted, width, height) => {
        const points = unsorted
          .filter((p) => Math.abs(p.y) < 1e100 || !Number.isFinite(p.y))
          .sort((a, b) => a.x - b.x);
        const rows = brailleChart(points, { width, height });
        expect(rows.length).toBe(height);
        for (const row of rows) expect([...row.dots].length).toBe(width);
        const lit = rows.flatMap((r) => dots(r.dots)).some((d) => d > 0);
        expect(lit).toBe(points.some((p) => Number.isFinite(p.y)));
      },
    ),
  );
});

test('a progress bar has its width at any share', () => {
  for (const share of [-1, 0, 0.01, 0.5, 0.999, 1, 2]) expect([...progressBar(share, 20)].length).toBe(20);
  expect(progressBar(1, 3)).toBe('███');
  expect(progressBar(0, 3)).toBe('░░░');
});
