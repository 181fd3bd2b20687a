/**
 * The tables compiled here and the runtime's encoder together, against the `tokenizers` library: fixtures of
 * scripts/oracle/tokenizer.py. 1.6 MB of text through the stream encoder and some hundred hostile cases through the
 * encoder of whole texts, for every pre-tokenizer and for added tokens that overlap.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileTokenizer } from '../../src/model/tokenizer/index.ts';
import {
  hostileText,
  mobyDick,
  packIds,
  readParity,
  readRecords,
  readUnicodeClasses,
  sha256,
  textTool,
  tokenizerJson,
  unpackIds,
  writeRecords,
} from './support.ts';

const parity = readParity();
const texts = new Map([
  ['moby-dick', mobyDick()],
  ['hostile', hostileText()],
]);
const cases = parity.cases.map((text) => Buffer.from(text, 'base64'));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mft-tokenizer-'));
  for (const [name, text] of texts) writeFileSync(join(folder, name), text);
  writeRecords(join(folder, 'cases'), cases, 1);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** GPT-2's tokenizer.json with a variant's replacements, as the oracle made it. */
function compileVariant(name: string): string {
  const json = z
    .looseObject({ model: z.looseObject({}) })
    .parse(JSON.parse(Buffer.from(tokenizerJson()).toString()));
  const { model, ...patch } = parity.variants[name]?.patch ?? {};
  const patched = {
    ...json,
    ...patch,
    model: { ...json.model, ...z.looseObject({}).optional().parse(model) },
  };
  const path = join(folder, `${name}.bin`);
  writeFileSync(path, compileTokenizer(Buffer.from(JSON.stringify(patched))));
  return path;
}

test('the texts are those of the fixtures', () => {
  expect(sha256(tokenizerJson())).toBe(parity.tokenizerSha256);
  let total = 0;
  for (const [name, text] of texts) {
    expect(sha256(text)).toBe(parity.texts[name]?.sha256);
    total += text.length;
  }
  expect(total).toBeGreaterThan(1 << 20);
});

test('every code point has the class that the reference gives it', () => {
  const ours = textTool('classes');
  const theirs = readUnicodeClasses();
  const different: string[] = [];
  for (let c = 0; c < 0x110000; c += 1)
    if (((ours[c] ?? 255) & 3) !== theirs[c]) different.push(c.toString(16));
  expect(ours.length).toBe(0x110000);
  expect(different).toEqual([]);
});

describe.each(Object.keys(parity.variants))('%s', (name) => {
  const variant = parity.variants[name];
  if (!variant) throw new Error(`no variant ${name}`);
  let tables = '';
  beforeAll(() => {
    tables = compileVariant(name);
  });

  test.each([...texts.keys()])('encodes %s as the reference', (text) => {
    const ids = textTool('encode', tables, join(folder, text));
    const expected = variant.texts[text];
    const blockBytes = 4 * parity.block;
    const wrong = expected?.blocks.findIndex(
      (hash, i) => sha256(ids.subarray(i * blockBytes, (i + 1) * blockBytes)).slice(0, 8) !== hash,
    );
    expect(wrong, 'first differing block of ids').toBe(-1);
    expect(ids.length / 4).toBe(expected?.count);
    expect(sha256(ids)).toBe(expected?.sha256);
  });

  test('encodes the hostile cases as the reference', () => {
    const ours = readRecords(textTool('cases', tables, join(folder, 'cases')), 4).map(unpackIds);
    expect(ours.length).toBe(cases.length);
    for (const [i, ids] of ours.entries()) expect(ids, show(i)).toEqual(variant.cases[i]);
  });

  test('takes special tokens as text when told', () => {
    const ours = readRecords(textTool('cases', tables, join(folder, 'cases'), '--plain'), 4).map(unpackIds);
    expect(Object.keys(variant.plain).length).toBeGreaterThan(0);
    for (const [i, ids] of ours.entries()) {
      expect(ids, show(i)).toEqual(variant.plain[i] ?? variant.cases[i]);
    }
  });
});

test('decodes as the reference, cut sequences included', () => {
  const tables = compileVariant('gpt2');
  const lists = join(folder, 'ids');
  writeRecords(
    lists,
    parity.decoded.map(({ ids }) => packIds(ids)),
    4,
  );
  const ours = readRecords(textTool('decode', tables, lists), 1).map((text) => text.toString('utf8'));
  expect(ours).toEqual(parity.decoded.map(({ text }) => text));
  expect(ours.filter((text) => text.includes('\ufffd')).length).toBeGreaterThan(50);
});

test('decoding what was encoded gives the text back', () => {
  const tables = compileVariant('gpt2');
  const lists = join(folder, 'all-ids');
  for (const [name, text] of texts) {
    writeRecords(lists, [textTool('encode', tables, join(folder, name))], 4);
    expect(textTool('decode', tables, lists).subarray(4).equals(text)).toBe(true);
  }
});

function show(index: number): string {
  return JSON.stringify(cases[index]?.toString('utf8'));
}
