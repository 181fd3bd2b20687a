import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findAdb, isLocal, serverAddress } from './endpoint.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mft-endpoint-'));
  for (const place of ['first', 'second', 'sdk/platform-tools']) {
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, 'adb'), '#!/bin/sh\n');
    chmodSync(join(folder, place, 'adb'), 0o755);
  }
  chmodSync(join(folder, 'first', 'adb'), 0o644); // a file, but not a program
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the address follows the rules of adb', () => {
  expect(serverAddress({ env: {} })).toEqual({ host: '127.0.0.1', port: 5037 });
  expect(serverAddress({ env: { ANDROID_ADB_SERVER_PORT: '6000' } })).toEqual({
    host: '127.0.0.1',
    port: 6000,
  });
  expect(serverAddress({ env: { ANDROID_ADB_SERVER_ADDRESS: 'lab' } })).toEqual({ host: 'lab', port: 5037 });
  const socket = { ANDROID_ADB_SERVER_PORT: '6000', ADB_SERVER_SOCKET: 'tcp:lab:7000' };
  expect(serverAddress({ env: socket })).toEqual({ host: 'lab', port: 7000 });
  expect(serverAddress({ env: { ADB_SERVER_SOCKET: 'tcp:7000' } })).toEqual({
    host: '127.0.0.1',
    port: 7000,
  });
  expect(serverAddress({ env: { ADB_SERVER_SOCKET: 'tcp:[::1]:7000' } })).toEqual({
    host: '::1',
    port: 7000,
  });
  expect(serverAddress({ host: 'other', port: 1, env: socket })).toEqual({ host: 'other', port: 1 });
});

test.each([
  { ADB_SERVER_SOCKET: 'localfilesystem:/tmp/adb' },
  { ADB_SERVER_SOCKET: 'tcp:host:' },
  { ADB_SERVER_SOCKET: 'tcp:host:70000' },
  { ANDROID_ADB_SERVER_PORT: 'usb' },
  { ANDROID_ADB_SERVER_PORT: '0' },
])('%o is refused with words', (env) => {
  expect(() => serverAddress({ env })).toThrow(expect.objectContaining({ code: 'adb.bad-address', exit: 2 }));
});

test('only this machine counts as local', () => {
  expect(['127.0.0.1', '127.1.2.3', 'localhost', '::1'].every(isLocal)).toBe(true);
  expect(['10.0.0.1', 'lab', '1270.0.0.1', 'localhost.example'].some(isLocal)).toBe(false);
});

test('adb is found: named, ADB, PATH, SDK; a file that is no program is not', () => {
  const path = `${folder}/first:${folder}/second`;
  expect(findAdb({ env: { PATH: path } })).toBe(`${folder}/second/adb`);
  expect(findAdb({ env: { PATH: '/nowhere', ANDROID_HOME: `${folder}/sdk` } })).toBe(
    `${folder}/sdk/platform-tools/adb`,
  );
  expect(findAdb({ env: { PATH: path, ADB: `${folder}/sdk/platform-tools/adb` } })).toBe(
    `${folder}/sdk/platform-tools/adb`,
  );
  expect(findAdb({ adbPath: `${folder}/second/adb`, env: {} })).toBe(`${folder}/second/adb`);
  expect(findAdb({ env: { PATH: '/nowhere' } })).toBeUndefined();
  // What was named and is not there is not replaced by another.
  expect(findAdb({ adbPath: '/nowhere/adb', env: { PATH: path } })).toBeUndefined();
  expect(findAdb({ env: { PATH: path, ADB: folder } })).toBeUndefined();
});
