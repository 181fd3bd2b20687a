import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FileError, PhoneFiles } from './files.ts';

describe('PhoneFiles', () => {
  let root: string;
  let files: PhoneFiles;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'mft-files-'));
    files = new PhoneFiles(root, (pid) => pid === 4242);
    mkdirSync(join(root, 'data/local/tmp/a/b'), { recursive: true });
    mkdirSync(join(root, 'proc'));
    writeFileSync(join(root, 'data/local/tmp/file'), '');
    symlinkSync('/data', join(root, 'absolute'));
    symlinkSync('../../../../../../../../etc', join(root, 'data/local/tmp/up'));
    symlinkSync('loop-b', join(root, 'loop-a'));
    symlinkSync('loop-a', join(root, 'loop-b'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test.each([
    ['/data/local/tmp/a', '/data/local/tmp/a'],
    ['/../../data/./local//tmp/a/../file', '/data/local/tmp/file'],
    ['/absolute/local', '/data/local'],
    ['/data/local/tmp/up/passwd', '/etc/passwd'],
    ['/data/local/tmp/new', '/data/local/tmp/new'],
  ])('%s is %s', (path, expected) => {
    if (expected === '/etc/passwd') {
      expect(() => files.resolve(path)).toThrow(FileError);
      return;
    }
    expect(files.resolve(path)).toEqual({ path: expected, host: join(root, expected) });
  });

  test.each([
    ['/loop-a', 'ELOOP'],
    ['/no/such', 'ENOENT'],
    ['/data/local/tmp/file/x', 'ENOTDIR'],
    ['/proc/1/status', 'ENOENT'],
    ['/proc/self/environ', 'ENOENT'],
    ['/proc/4242/root/etc/passwd', 'EACCES'],
    ['/proc/4242/cwd', 'EACCES'],
    ['/proc/4242/fd/3', 'EACCES'],
  ])('%s fails with %s', (path, code) => {
    expect(() => files.resolve(path)).toThrow(expect.objectContaining({ code }));
  });

  test('a process of the phone can be looked at', () => {
    expect(files.resolve('/proc/4242/status').host).toBe('/proc/4242/status');
  });

  test('no path leads out', () => {
    const parts = fc.constantFrom(
      '..',
      '.',
      '',
      'data',
      'local',
      'tmp',
      'up',
      'absolute',
      'a',
      'b',
      'file',
      'etc',
      'new',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), fc.boolean(), (path, follow) => {
        try {
          const { host } = files.resolve(`/${path.join('/')}`, '/', follow);
          expect(host === root || host.startsWith(`${root}/`)).toBe(true);
          expect(host).not.toContain('..');
        } catch (error) {
          expect(error).toBeInstanceOf(FileError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('uid 2000 writes where it may', () => {
    expect(() => files.resolveWritable('/system/x')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(() => files.resolveWritable('/x')).toThrow(expect.objectContaining({ code: 'EROFS' }));
    expect(() => files.resolveWritable('/data/x')).toThrow(expect.objectContaining({ code: 'EACCES' }));
    expect(() => files.resolveWritable('/data/local/tmp/../x')).toThrow(
      expect.objectContaining({ code: 'EACCES' }),
    );
    expect(files.resolveWritable('/data/local/tmp/x').path).toBe('/data/local/tmp/x');
  });
});
