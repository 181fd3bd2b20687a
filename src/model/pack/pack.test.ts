import { cp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FIXTURES, failureOf, temporaryFolder } from '../../../test/support/model-folders.ts';
import { MftError } from '../../base/errors.ts';
import { mft } from '../../protocol/index.ts';
import { importSource } from '../import.ts';
import { packRows, unpackRows } from '../tensors/blocks.ts';
import { narrow, widen } from '../tensors/float.ts';
import { elementsOf, readPieces } from '../tensors/stream.ts';
import type { PackManifest } from '../types.ts';
import { layOut } from './layout.ts';
import { openPack, packTensors, verifyFiles } from './read.ts';
import { isStoredMatrix } from './storage.ts';
import { writePack } from './write.ts';

const { DType } = mft.v1;
const dir = await temporaryFolder();
const sound = join(dir, 'sound');
await importSource(join(FIXTURES, 'single-f32'), sound, { tokenizer: 'none' });
const bytes = await readFile(join(sound, 'pack.pb'));
const victim = join(dir, 'victim');
await cp(sound, victim, { recursive: true });

/** Opens the pack with a manifest that was changed. */
async function withManifest(change: (manifest: PackManifest) => void): Promise<MftError> {
  const manifest = mft.v1.PackManifest.decode(bytes);
  change(manifest);
  await writeFile(join(victim, 'pack.pb'), mft.v1.PackManifest.encode(manifest).finish());
  return failureOf(openPack(victim));
}

test('nothing in a manifest is trusted', async () => {
  const tensor = (manifest: PackManifest, segment = 1, index = 0) =>
    manifest.segments[segment]?.tensors[index] ?? {};
  const cases: [string, (manifest: PackManifest) => void, RegExp][] = [
    ['another format', (m) => Object.assign(m, { format: 2 }), /format 2/],
    ['no configuration', (m) => Object.assign(m, { config: null }), /no configuration/],
    ['a vocabulary of 0', (m) => Object.assign(m.config, { vocabSize: 0 }), /vocabSize = 0/],
    ['2^32 - 1 layers', (m) => Object.assign(m.config, { numLayers: 2 ** 32 - 1 }), /numLayers/],
    ['an unknown activation', (m) => Object.assign(m.config, { activation: 77 }), /activation = 77/],
    ['an epsilon that is no number', (m) => Object.assign(m.config, { normEps: Number.NaN }), /normEps/],
    ['eos outside the vocabulary', (m) => Object.assign(m.config, { eosToken: 61 }), /eos_token/],
    ['a segment missing', (m) => m.segments.splice(1, 1), /3 segments, 4 expected/],
    ['segments in another order', (m) => m.segments.reverse(), /segment 0 is "final", "embedding" expected/],
    [
      'a short hash',
      (m) => Object.assign(m.segments[0] ?? {}, { sha256: new Uint8Array(31) }),
      /hash does not have 32/,
    ],
    [
      'an odd file size',
      (m) => Object.assign(m.segments[0] ?? {}, { bytes: 65537 }),
      /not a multiple of 65536/,
    ],
    [
      'a file of 2^62 bytes',
      (m) => Object.assign(m.segments[0] ?? {}, { bytes: 2 ** 62 }),
      /not a multiple|bytes/,
    ],
    ['an unaligned tensor', (m) => Object.assign(tensor(m), { offset: 4 }), /offset 4/],
    ['a tensor beyond its file', (m) => Object.assign(tensor(m), { offset: 65536 }), /beyond the end/],
    ['two tensors overlapping', (m) => Object.assign(tensor(m, 1, 1), { offset: 0 }), /overlap/],
    [
      'the same name twice',
      (m) => Object.assign(tensor(m, 1, 1), { name: m.segments[1]?.tensors[0]?.name }),
      /there twice/,
    ],
    ['a size that is not the shape', (m) => Object.assign(tensor(m), { bytes: 84 }), /needs 80 bytes/],
    [
      'a dimension of 0',
      (m) => Object.assign(tensor(m), { shape: [0, 20], bytes: 0 }),
      /1 to 4 positive sizes/,
    ],
    ['dimensions that overflow', (m) => Object.assign(tensor(m), { shape: [2 ** 40, 2 ** 40] }), /needs/],
    ['a norm in bf16', (m) => Object.assign(tensor(m), { dtype: DType.DTYPE_BF16, bytes: 40 }), /not f32/],
    ['a type of no weights', (m) => Object.assign(tensor(m), { dtype: DType.DTYPE_I32 }), /no storage type/],
    ['an unknown type', (m) => Object.assign(tensor(m), { dtype: 99 }), /type 99/],
    [
      'blocks of a vector',
      (m) => Object.assign(tensor(m), { dtype: DType.DTYPE_I8_BLOCK32 }),
      /matrices only/,
    ],
    [
      'blocks of another size',
      (m) => Object.assign(tensor(m, 0), { dtype: DType.DTYPE_I4_BLOCK32 }),
      /needs 1220 bytes, it has 4880/,
    ],
    ['another shape', (m) => Object.assign(tensor(m), { shape: [4, 5] }), /\[4,5\], \[20\] expected/],
    [
      'a tensor too many',
      (m) =>
        m.segments[3]?.tensors.push(
          mft.v1.Tensor.create({ name: 'x', dtype: 1, shape: [1], offset: 1024, bytes: 4 }),
        ),
      /does not know/,
    ],
    [
      'a tokenizer without a size',
      (m) => Object.assign(m, { tokenizerSha256: new Uint8Array(32) }),
      /tokenizer/,
    ],
    [
      'a hash without its file',
      (m) => Object.assign(m.segments[0] ?? {}, { sha256: new Uint8Array(32) }),
      /0000\.seg is damaged/,
    ],
  ];
  for (const [what, change, message] of cases) {
    const error = await withManifest(change);
    expect(error.message, what).toMatch(message);
    expect(['model.pack-damaged', 'model.pack-version']).toContain(error.code);
  }
});

test('a name from a file never breaks the message', async () => {
  const error = await withManifest((m) => {
    Object.assign(m.segments[0]?.tensors[0] ?? {}, { name: `\u001b[2J${'x'.repeat(200)}\n`, bytes: 4 });
  });
  expect(error.message).not.toContain('\u001b');
  expect(error.message.length).toBeLessThan(400);
});

test('arbitrary manifests fail with words', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.nat(bytes.length), async (noise, at) => {
      const changed = Buffer.from(bytes);
      changed.set(noise.subarray(0, bytes.length - at), at);
      await writeFile(join(victim, 'pack.pb'), changed);
      const thrown = await openPack(victim).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (thrown !== undefined) expect(thrown).toBeInstanceOf(MftError);
    }),
  );
});

test('a missing, cut or changed file is found', async () => {
  await writeFile(join(victim, 'pack.pb'), bytes);
  const pack = await openPack(victim);
  await verifyFiles(pack.files);
  const path = pack.files[1]?.path ?? '';
  const file = await open(path, 'r+');
  await file.write(Buffer.from([1]), 0, 1, 65000); // in the padding
  await file.close();
  expect((await failureOf(verifyFiles(pack.files))).message).toMatch(/its SHA-256 is/);
  await truncate(path, 65535);
  expect((await failureOf(openPack(victim))).message).toMatch(/has 65535 bytes, the manifest says 65536/);
  await rm(path);
  expect((await failureOf(openPack(victim))).code).toBe('model.pack-damaged');
});

const types = ['f32', 'bf16', 'f16', 'int8', 'int4'] as const;

/** A pack whose matrices have different types, from the fixture's f32 weights. */
async function mixedPack() {
  const source = await openPack(sound);
  const reader = packTensors(source);
  let next = 0;
  const chosen = new Map(
    [...reader.shapes.keys()].map((name) => [
      name,
      isStoredMatrix(name) ? (types[next++ % 5] ?? 'f32') : 'f32',
    ]),
  );
  const target = join(dir, 'mixed');
  await writePack(target, {
    config: source.config,
    source: 'test',
    sideFiles: new Map(),
    typeOf: (name) => chosen.get(name) ?? 'f32',
    // In odd pieces: rows are cut anywhere.
    pieces: (name) => readPieces(reader, name, 0, elementsOf(reader.shapes.get(name) ?? []), 7),
  });
  return { source: reader, mixed: await openPack(target), chosen };
}

test('every storage type in one pack, written in odd pieces, read back by any range', async () => {
  const { source, mixed, chosen } = await mixedPack();
  await verifyFiles(mixed.files);
  const reader = packTensors(mixed);
  const seen = new Set<string>();
  for (const [name, type] of chosen) {
    const shape = reader.shapes.get(name) ?? [];
    const [total, columns] = [elementsOf(shape), shape[1] ?? 1];
    const values = await source.read(name, 0, total);
    const expected =
      type === 'int8' || type === 'int4'
        ? unpackRows(packRows(values, columns, type), columns, type)
        : widen(narrow(values, type), type);
    expect(await reader.read(name, 0, total), `${name} ${type}`).toEqual(expected);
    for (const [begin, end] of [
      [0, 1],
      [total - 1, total],
      [3, Math.min(total, 17)],
      [5, 5],
    ] as const)
      expect(await reader.read(name, begin, end), `${name} ${begin} ${end}`).toEqual(
        expected.slice(begin, end),
      );
    await expect(reader.read(name, 0, total + 1)).rejects.toThrow(RangeError);
    seen.add(type);
  }
  expect([...seen].sort()).toEqual([...types].sort());
  const bytes = mixed.manifest.segments
    .flatMap(({ tensors }) => tensors)
    .reduce((sum, tensor) => sum + tensor.bytes, 0);
  expect(mixed.storage.reduce((sum, { bytes: size }) => sum + size, 0)).toBe(bytes);
  expect(mixed.storage.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(mixed.parameters);
  await reader.close();
  await source.close();
});

test('laying out: aligned, in order, without overlap, padded', () => {
  const size = fc.integer({ min: 1, max: 300 });
  fc.assert(
    fc.property(fc.array(fc.array(size, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), (shapes) => {
      const segment = layOut({ name: 's', tensors: shapes.map((shape, i) => ({ name: `${i}`, shape })) });
      let end = 0;
      for (const { offset, bytes: length } of segment.tensors) {
        expect(offset % 64).toBe(0);
        expect(offset - end).toBeGreaterThanOrEqual(0);
        expect(offset - end).toBeLessThan(64);
        end = offset + length;
      }
      expect(segment.bytes % 65536).toBe(0);
      expect(segment.bytes).toBeGreaterThanOrEqual(Math.max(end, 65536));
      expect(segment.bytes - end).toBeLessThanOrEqual(65536);
    }),
  );
});
