import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { inspectTextFile } from './text-file.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mft-data-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function file(content: string | Uint8Array): Promise<string> {
  const path = join(dir, 'data.txt');
  await writeFile(path, content);
  return path;
}

async function failure(path: string): Promise<MftError> {
  const thrown = await inspectTextFile(path).catch((error: unknown) => error);
  if (!(thrown instanceof MftError)) throw new Error('expected an MftError');
  return thrown;
}

test('size, hash and lines of a text', async () => {
  const text = 'Ahoj světe\n日本語 🎣\nend';
  expect(await inspectTextFile(await file(text))).toMatchObject({
    bytes: Buffer.byteLength(text),
    sha256: createHash('sha256').update(text).digest('hex'),
    lines: 3,
  });
  expect((await inspectTextFile(await file('one\n'))).lines).toBe(1);
});

test('a multi-byte character on the border of two chunks is whole', async () => {
  for (const shift of [1, 2, 3, 4]) {
    const text = `${'x'.repeat((1 << 20) - shift)}🎣${'y'.repeat(1 << 20)}\n`;
    const found = await inspectTextFile(await file(text));
    expect(found.bytes).toBe(Buffer.byteLength(text));
    expect(found.sha256).toBe(createHash('sha256').update(text).digest('hex'));
  }
});

test('bytes that are not UTF-8 are placed by offset and line', async () => {
  const error = await failure(
    await file(Buffer.concat([Buffer.from('a\nb\nčc'), Buffer.from([0xe9, 0x20])])),
  );
  expect(error.code).toBe('data.not-utf8');
  expect(error.message).toContain('line 3, byte 7 (e9 20)');
  // In the third chunk, and cut off at the very end of the file.
  const late = Buffer.concat([Buffer.from('line\n'.repeat(500_000)), Buffer.from([0xf0, 0x9f, 0x8e])]);
  expect((await failure(await file(late))).message).toContain('line 500001, byte 2500000 (f0 9f 8e)');
  const utf16 = await failure(await file(Buffer.from('\ufeffhello', 'utf16le')));
  expect(utf16.suggestions[0]).toContain('UTF-16');
});

test('the place of a bad byte agrees with the decoder of the platform', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      async (text, tail) => {
        const bytes = Buffer.concat([Buffer.from(text), tail]);
        const path = await file(bytes);
        let valid = true;
        try {
          new TextDecoder('utf-8', { fatal: true }).decode(bytes);
        } catch {
          valid = false;
        }
        if (valid) expect((await inspectTextFile(path)).bytes).toBe(bytes.length);
        else {
          const at = Number(/byte (\d+)/.exec((await failure(path)).message)?.[1]);
          expect(at).toBeGreaterThanOrEqual(Buffer.byteLength(text));
          expect(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, at))).toBeDefined();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('missing, empty and unsuitable files have their own errors', async () => {
  expect((await failure(join(dir, 'none.txt'))).code).toBe('data.not-found');
  expect((await failure(await file(''))).code).toBe('data.empty');
  await mkdir(join(dir, 'folder'), { recursive: true });
  expect((await failure(join(dir, 'folder'))).code).toBe('data.not-a-file');
});
