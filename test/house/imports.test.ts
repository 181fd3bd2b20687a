import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, expect, test } from 'vitest';
import { checkIncludes } from '../../scripts/check-includes.ts';

const root = join(import.meta.dirname, '..', '..');
const depcruise = join(root, 'node_modules', '.bin', 'depcruise');
const scratch = mkdtempSync(join(tmpdir(), 'mft-house-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function cruise(cwd: string) {
  return await execa(depcruise, ['src', '--output-type', 'json'], { cwd, reject: false });
}

test('src follows the house rule, and modules were really read', async () => {
  const result = JSON.parse((await cruise(root)).stdout) as {
    summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] };
  };
  expect(result.summary.violations.map((v) => `${v.rule.name}: ${v.from} -> ${v.to}`)).toEqual([]);
  expect(result.summary.totalCruised).toBeGreaterThan(50);
}, 120_000);

test('a planted violation is caught', async () => {
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
    cpSync(join(root, file), join(scratch, file));
  }
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
  for (const [file, text] of [
    ['src/base/low.ts', "export { high } from '../session/high.ts';\n"],
    ['src/session/high.ts', 'export const high = 1;\n'],
    ['src/phone/apart.ts', "export { high } from '../session/high.ts';\n"],
    ['src/runs/kit.ts', "export { Adb } from '@devicefarmer/adbkit';\n"],
  ] as const) {
    mkdirSync(join(scratch, file, '..'), { recursive: true });
    writeFileSync(join(scratch, file), text);
  }
  const result = JSON.parse((await cruise(scratch)).stdout) as {
    summary: { violations: { rule: { name: string } }[] };
  };
  const caught = new Set(result.summary.violations.map((v) => v.rule.name));
  expect(caught).toContain('base-imports-only-lower-floors');
  expect(caught).toContain('phone-stands-apart');
  expect(caught).toContain('adbkit-stays-in-adb');
}, 120_000);

test('device-runtime follows the house rule', () => {
  const { includes, violations } = checkIncludes(join(root, 'device-runtime'));
  expect(violations).toEqual([]);
  expect(includes).toBeGreaterThan(50);
});

test('a planted include of a higher room is caught', () => {
  const rooms = join(scratch, 'rooms');
  mkdirSync(join(rooms, 'kernels'), { recursive: true });
  writeFileSync(join(rooms, 'kernels', 'gemm.cc'), '#include "kernels/gemm.h"\n#include "train/trainer.h"\n');
  expect(checkIncludes(rooms).violations).toEqual([
    { file: 'kernels/gemm.cc', line: 2, include: 'train/trainer.h' },
  ]);
  expect(checkIncludes(join(scratch, 'nowhere')).includes).toBe(0);
});
