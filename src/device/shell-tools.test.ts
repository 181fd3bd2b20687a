import { expect, test } from 'vitest';
import { parseDf, parseMeminfo, parseProperties } from './shell-tools.ts';

test('df of toybox, of an emulator, and wrapped by an old toolbox', () => {
  const toybox = [
    'Filesystem     1K-blocks     Used Available Use% Mounted on',
    '/dev/block/dm-8 115230740 38171220 76912064  34% /data/user/0',
    '',
  ].join('\n');
  expect(parseDf(toybox)).toEqual({ freeBytes: 76912064 * 1024, totalBytes: 115230740 * 1024 });
  const wrapped = [
    'Filesystem                  1K-blocks     Used Available Use% Mounted on',
    '/dev/block/by-name/userdata-with-a-long-name',
    '                            100000 40000 60000 40% /data',
  ].join('\n');
  expect(parseDf(wrapped)).toEqual({ freeBytes: 60000 * 1024, totalBytes: 100000 * 1024 });
  expect(parseDf('df: /data/local/tmp: No such file or directory')).toBeUndefined();
  expect(parseDf('')).toBeUndefined();
});

test('meminfo, with and without MemAvailable', () => {
  const text = 'MemTotal:        7777124 kB\nMemFree:          213456 kB\nMemAvailable:    3456789 kB\n';
  expect(parseMeminfo(text)).toEqual({ totalBytes: 7777124 * 1024, availableBytes: 3456789 * 1024 });
  const old = 'MemTotal:        1000 kB\nMemFree:          10 kB\n';
  expect(parseMeminfo(old)).toEqual({ totalBytes: 1024000, availableBytes: 10240 });
  expect(parseMeminfo('Permission denied')).toBeUndefined();
});

test('getprop: empty values, brackets and newlines in values', () => {
  const text = [
    '[ro.product.model]: [Pixel 8]',
    '[empty]: []',
    '[bracketed]: [a [b] c]',
    '[several.lines]: [first',
    'second]',
    '[ro.product.cpu.abilist]: [arm64-v8a,armeabi-v7a]',
    '',
  ].join('\n');
  expect(Object.fromEntries(parseProperties(text))).toEqual({
    'ro.product.model': 'Pixel 8',
    empty: '',
    bracketed: 'a [b] c',
    'several.lines': 'first\nsecond',
    'ro.product.cpu.abilist': 'arm64-v8a,armeabi-v7a',
  });
  expect(parseProperties(text.replaceAll('\n', '\r\n')).get('ro.product.model')).toBe('Pixel 8');
});
