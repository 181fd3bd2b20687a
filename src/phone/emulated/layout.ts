import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { applets } from './shell/applets/index.ts';

/** Folders a phone has, besides those that the world's files make. */
const folders = [
  'data/local/tmp',
  'data/local/tests',
  'dev',
  'mnt',
  'odm/bin',
  'product/bin',
  'storage/emulated/0/Android',
  'storage/emulated/0/Documents',
  'storage/emulated/0/Download',
  'system/bin',
  'vendor/bin',
  'proc/sys/kernel/random',
];

/**
 * Links. Programs that run here reach the tree through their sysroot: to them a relative link leads within the phone, an
 * absolute one to the host's own devices and process files. The phone's shell resolves both within the phone.
 */
const links: [string, string][] = [
  ['sdcard', 'storage/emulated/0'],
  ['bin', 'system/bin'],
  ['dev/null', '/dev/null'],
  ['dev/zero', '/dev/zero'],
  ['dev/full', '/dev/full'],
  ['dev/random', '/dev/random'],
  ['dev/urandom', '/dev/urandom'],
  ['proc/self', '/proc/self'],
  ['proc/thread-self', '/proc/thread-self'],
];

/** Builds the phone's tree in a folder; what is there already stays. */
export function layOut(root: string): void {
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  for (const folder of ['data/local/tmp', 'storage/emulated/0']) chmodSync(join(root, folder), 0o771);
  for (const [path, target] of links) {
    const where = join(root, path);
    const there = lstatSync(where, { throwIfNoEntry: false });
    if (there?.isSymbolicLink() && readlinkSync(where) === target) continue;
    if (there?.isSymbolicLink()) rmSync(where);
    symlinkSync(target, where);
  }
  for (const name of [...Object.keys(applets), 'sh']) {
    const path = join(root, 'system/bin', name);
    if (!existsSync(path)) writeFileSync(path, 'Part of the virtual phone\n', { mode: 0o755 });
  }
}
