import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AdbdPackages } from './packages.ts';
import { initScript, worldScript } from './scripts.ts';

/** Where adbd is on phones since Android 11. */
export const ADBD = '/apex/com.android.adbd/bin/adbd';
/** Where it listens in the phone's own network. Below 1024: see holderScript. */
export const ADBD_PORT = 555;
/** What Android has for PATH in its shell, and what of it is here. */
export const ANDROID_PATH = '/product/bin:/system/bin:/odm/bin:/vendor/bin';
/** Files that lie over those of procfs; the world keeps them below this folder. */
export const WORLD_FOLDER = '/system/etc/world';
export const PROC_FILES = [
  'cpuinfo',
  'loadavg',
  'meminfo',
  'sys/kernel/osrelease',
  'sys/kernel/random/boot_id',
  'uptime',
  'version',
].map((name) => `/proc/${name}`);

/** Mount points, and folders that a phone has. */
const folders = [
  ...['apex/com.android.adbd/bin', 'data', 'dev', 'mnt/host', 'odm/bin', 'proc', 'product/bin'],
  ...['storage/emulated/0', 'sys', 'system/bin', 'system/etc', 'vendor/bin'],
];

/** What Android's toybox has and Debian's lacks. */
const fromBusybox = ['[', 'awk', 'bc', 'dd', 'diff', 'expr', 'more', 'test', 'tr', 'xz', 'xzcat'];

/** Commands that the world answers (see world-service.ts): no program could know of it. */
export const worldCommands = [
  ...['am', 'cmd', 'dumpsys', 'free', 'getprop', 'input', 'log', 'logcat', 'nproc', 'pm'],
  ...['setprop', 'settings', 'svc', 'uname', 'uptime', 'wm'],
];

/** Android's ids: system/core/libcutils/include/private/android_filesystem_config.h. */
const groups: [string, number][] = [
  ['root', 0],
  ['system', 1000],
  ['input', 1004],
  ['log', 1007],
  ['adb', 1011],
  ['sdcard_rw', 1015],
  ['sdcard_r', 1028],
  ['ext_data_rw', 1078],
  ['ext_obb_rw', 1079],
  ['shell', 2000],
  ['net_bt_admin', 3001],
  ['net_bt', 3002],
  ['inet', 3003],
  ['net_bw_stats', 3006],
  ['readproc', 3009],
  ['uhid', 3011],
  ['readtracefs', 3012],
];
export const SHELL_ID = 2000;

/** Builds the tree that is `/` to the phone, without its data. What was there is replaced. */
export function buildRoot(root: string, packages: AdbdPackages): void {
  rmSync(root, { recursive: true, force: true });
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true, mode: 0o755 });
  for (const name of readdirSync(packages.root)) {
    if (name.startsWith('lib')) symlinkSync(readlinkSync(join(packages.root, name)), join(root, name));
  }
  for (const name of readdirSync(join(packages.root, 'usr')))
    if (name.startsWith('lib')) copyTree(join(packages.root, 'usr', name), join(root, 'usr', name));
  const bin = join(root, 'system/bin');
  place(join(packages.root, 'usr/bin/mksh'), join(bin, 'sh'));
  place(join(packages.root, 'usr/bin/toybox'), join(bin, 'toybox'));
  place(join(packages.root, 'usr/bin/busybox'), join(bin, 'busybox'));
  place(join(packages.root, 'usr/lib/android-sdk/platform-tools/adbd'), join(root, ADBD));
  for (const [path, target] of [
    ['bin', 'system/bin'],
    ['etc', 'system/etc'],
    ['sdcard', '/storage/emulated/0'],
  ] as const)
    symlinkSync(target, join(root, path));
  const commands = new Map([
    ...packages.toybox.map((name): [string, string] => [name, 'toybox']),
    ...fromBusybox
      .filter((name) => packages.busybox.includes(name))
      .map((name): [string, string] => [name, 'busybox']),
    ...worldCommands.map((name): [string, string] => [name, '../etc/world/ask']),
  ]);
  for (const own of ['sh', 'toybox', 'busybox']) commands.delete(own);
  for (const [name, target] of commands) {
    rmSync(join(bin, name), { force: true });
    symlinkSync(target, join(bin, name));
  }
  writeTexts(root);
}

function writeTexts(root: string): void {
  const members = (name: string) => (name === 'root' || name === 'system' ? '' : 'shell');
  const texts: [string, string, number][] = [
    [
      '/system/etc/passwd',
      `root:x:0:0::/:/system/bin/sh\nshell:x:${SHELL_ID}:${SHELL_ID}::/:/system/bin/sh\n`,
      0o644,
    ],
    ['/system/etc/group', groups.map(([name, id]) => `${name}:x:${id}:${members(name)}\n`).join(''), 0o644],
    ['/system/bin/init', initScript(PROC_FILES, WORLD_FOLDER, ADBD), 0o755],
    [`${WORLD_FOLDER}/ask`, worldScript(), 0o755],
    // Bind mounts need something to lie on, and the world finds what it writes in place.
    ...PROC_FILES.map((path): [string, string, number] => [WORLD_FOLDER + path, '', 0o644]),
  ];
  for (const [path, text, mode] of texts) {
    mkdirSync(join(root, path, '..'), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  }
}

function copyTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o755 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) copyTree(source, target);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (entry.isFile()) place(source, target);
  }
}

/** A hard link, since nothing in the phone can write to it; a copy on another file system. */
function place(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}
