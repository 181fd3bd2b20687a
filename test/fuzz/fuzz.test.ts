/**
 * Every parser of the host over damaged inputs: first those that once broke something (corpus/), then others by a fixed
 * seed. MFT_FUZZ_RUNS=N and MFT_FUZZ_SEED=N ask for more and for others. docs/fuzzing.md
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { damagedBytes, damagedJson } from './damage.ts';
import { answer, type FuzzTarget } from './target.ts';
import { models } from './targets/models.ts';
import { packs } from './targets/packs.ts';
import { peers } from './targets/peers.tsx';
import { people } from './targets/people.ts';

const TARGETS: readonly FuzzTarget[] = [...models, ...packs, ...peers, ...people];
const RUNS = Number(process.env.MFT_FUZZ_RUNS ?? 150);
const SEED = Number(process.env.MFT_FUZZ_SEED ?? 20_260);
/** Inputs that broke something are kept here, to be looked at and committed to the corpus. */
const FOUND = join(import.meta.dirname, '../../build/fuzz-found');
const CORPUS = join(import.meta.dirname, 'corpus');

const scratch = mkdtempSync(join(tmpdir(), 'mft-fuzz-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function check(target: FuzzTarget, bytes: Buffer): Promise<void> {
  const folder = join(scratch, target.name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  await answer(target, bytes, folder);
}

/** Keeps an input that broke something, and says where it is rather than what. */
function kept(target: FuzzTarget, bytes: Buffer, cause: unknown): Error {
  const path = join(FOUND, target.name, createHash('sha256').update(bytes).digest('hex').slice(0, 16));
  mkdirSync(join(FOUND, target.name), { recursive: true });
  writeFileSync(path, bytes);
  return new Error(`${path}: ${String(cause).slice(0, 500)}`, { cause });
}

for (const target of TARGETS) {
  test(`${target.name}: sound inputs are taken`, async () => {
    const folder = join(scratch, target.name);
    for (const seed of target.seeds.slice(0, target.sound)) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      expect(await answer(target, seed, folder)).toBeUndefined();
    }
  });

  const folder = join(CORPUS, target.name);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  test.each(names)(`${target.name}: corpus %s`, (name) => check(target, readFileSync(join(folder, name))));

  test(`${target.name}: damaged inputs are refused with words, or taken`, async () => {
    const inputs = fc.oneof(
      damagedBytes(target.seeds),
      ...(target.json === true ? [damagedJson(target.seeds)] : []),
    );
    const found = await fc.check(
      fc.asyncProperty(inputs, (bytes) => check(target, bytes)),
      { numRuns: Math.ceil(RUNS * (target.share ?? 1)), seed: SEED },
    );
    const [bytes] = found.counterexample ?? [];
    if (bytes !== undefined) throw kept(target, bytes, found.errorInstance);
    expect(found.failed).toBe(false);
  });
}

test('every folder of the corpus belongs to a target', () => {
  const known = TARGETS.map(({ name }) => name);
  expect(readdirSync(CORPUS).filter((name) => !known.includes(name))).toEqual([]);
});
