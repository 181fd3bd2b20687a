/**
 * Real models' tokenizers, compiled here and run by the runtime, against the `tokenizers` library: fixture of
 * scripts/oracle/tokenizer_models.py. 6.5 MB of text in many scripts through the stream encoder, hundreds of hostile cases
 * through the encoder of whole texts, decoding, and what Unicode's tables say of every code point.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileTokenizer, describeTokenizer } from '../../src/model/tokenizer/index.ts';
import { modelFolder } from './models.ts';
import { packIds, readRecords, sha256, textTool, unpackIds, writeRecords } from './support.ts';
import { parityTexts } from './texts.ts';

const hashed = z.object({ count: z.int(), sha256: z.string(), blocks: z.array(z.string()) });
const ids = z.array(z.int());
const schema = z.object({
  block: z.int(),
  texts: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
  cases: z.array(z.string()),
  models: z.record(
    z.string(),
    z.object({
      package: z.string(),
      sha256: z.string(),
      patch: z.record(z.string(), z.unknown()),
      around: ids,
      texts: z.record(z.string(), hashed),
      cases: z.array(ids),
      plain: z.record(z.string(), ids),
      decoded: z.array(z.tuple([ids, z.string()])),
      skipped: z.record(z.string(), z.string()),
    }),
  ),
  normal: z.array(z.string()),
  words: z.array(z.tuple([z.int(), z.int()])),
});

const fixture = schema.parse(
  JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/tokenizer/models.json'), 'utf8')),
);
const texts = parityTexts();
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mft-tokenizers-'));
  for (const [name, text] of texts) writeFileSync(join(folder, name), text);
  writeRecords(
    join(folder, 'cases'),
    fixture.cases.map((text) => Buffer.from(text)),
    1,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the texts are those of the fixture', () => {
  const ours = [...texts].map(([name, text]) => [name, { bytes: text.length, sha256: sha256(text) }]);
  expect(Object.fromEntries(ours)).toEqual(fixture.texts);
  expect([...texts.values()].reduce((sum, text) => sum + text.length, 0)).toBeGreaterThan(5 << 20);
});

describe.each(Object.entries(fixture.models))('%s', (name, model) => {
  let tables = '';
  let prefix: number[] = [];
  let suffix: number[] = [];

  beforeAll(async () => {
    const raw = readFileSync(join(await modelFolder(model.package), 'tokenizer.json'));
    expect(sha256(raw)).toBe(model.sha256);
    const json = z.looseObject({ model: z.looseObject({}) }).parse(JSON.parse(raw.toString()));
    const compiled = compileTokenizer(Buffer.from(JSON.stringify({ ...json, ...model.patch })));
    tables = join(folder, `${name}.bin`);
    writeFileSync(tables, compiled);
    ({ prefix, suffix } = describeTokenizer(compiled));
  }, 600_000);

  test.each([...texts.keys()])('encodes %s', (text) => {
    const ours = textTool('encode', tables, join(folder, text));
    const expected = model.texts[text];
    const blockBytes = 4 * fixture.block;
    const wrong = expected?.blocks.findIndex(
      (hash, i) => sha256(ours.subarray(i * blockBytes, (i + 1) * blockBytes)).slice(0, 8) !== hash,
    );
    expect(wrong, 'first differing block of ids').toBe(-1);
    expect(ours.length / 4).toBe(expected?.count);
    expect(sha256(ours)).toBe(expected?.sha256);
  });

  test('encodes hostile cases', () => {
    const ours = readRecords(textTool('cases', tables, join(folder, 'cases')), 4).map(unpackIds);
    for (const [i, found] of ours.entries()) expect(found, show(i)).toEqual(model.cases[i]);
    expect(ours.length).toBe(fixture.cases.length);
  });

  test('takes special tokens as text when told', () => {
    const ours = readRecords(textTool('cases', tables, join(folder, 'cases'), '--plain'), 4).map(unpackIds);
    for (const [i, found] of ours.entries()) {
      expect(found, show(i)).toEqual(model.plain[i] ?? model.cases[i]);
    }
    expect(Object.keys(model.plain).length).toBeGreaterThan(0);
  });

  test('decodes, cut sequences included, with and without special tokens', () => {
    const lists = join(folder, 'lists');
    writeRecords(
      lists,
      model.decoded.map(([list]) => packIds(list)),
      4,
    );
    const text = (bytes: Buffer) => bytes.toString('utf8');
    const ours = readRecords(textTool('decode', tables, lists), 1).map(text);
    expect(ours).toEqual(model.decoded.map(([, expected]) => expected));
    const skipped = readRecords(textTool('decode', tables, lists, '--skip-special'), 1).map(text);
    expect(skipped).toEqual(model.decoded.map(([, expected], i) => model.skipped[i] ?? expected));
    expect(ours.filter((one) => one.includes('\ufffd')).length).toBeGreaterThan(20);
  });

  test('puts around a text what belongs there', () => {
    const one = join(folder, 'one');
    writeRecords(one, [Buffer.from('a')], 1);
    const inner = readRecords(textTool('cases', tables, one), 4).flatMap(unpackIds);
    expect([...prefix, ...inner, ...suffix]).toEqual(model.around);
  });
});

test('normalises every code point as the reference', () => {
  const blocks = Array.from({ length: 0x110000 / 4096 }, (_, block) => {
    const lines: string[] = [];
    for (let c = 4096 * block; c < 4096 * (block + 1); c += 1) {
      if (c >= 0xd800 && c < 0xe000) continue;
      const char = String.fromCodePoint(c);
      lines.push(char, `\u0345${char}\u0334a\u0301`, `e${char}\u0323`);
    }
    return Buffer.from(lines.map((line) => `${line}\n`).join(''));
  });
  const path = join(folder, 'points');
  writeRecords(path, blocks, 1);
  const ours = readRecords(textTool('nfc', path), 1).map((block) => sha256(block).slice(0, 8));
  expect(ours).toEqual(fixture.normal);
});

test('knows the characters of words as the reference', () => {
  const words = new Uint8Array(0x110000);
  for (const [first, last] of fixture.words) words.fill(4, first, last + 1);
  const different: string[] = [];
  for (const [c, kind] of textTool('classes').entries())
    if ((kind & 4) !== words[c]) different.push(c.toString(16));
  expect(different).toEqual([]);
});

function show(index: number): string {
  return JSON.stringify(fixture.cases[index]);
}
