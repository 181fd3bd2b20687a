import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bench, buildProbe, hostAbi, type Make } from './bench.ts';
import { factsSuite } from './conformance-facts.ts';
import { lifetimeSuite } from './conformance-lifetime.ts';
import { protocolSuite } from './conformance-protocol.ts';
import { socketSuite } from './conformance-sockets.ts';
import { fileCases, shellCases } from './shell-cases.ts';

/** Names that trip programs which build shell strings. */
const oddNames = [
  'with space',
  "quote's",
  'dou"ble',
  'dollar$HOME',
  'semi;colon',
  'ünïcödé 日本',
  'star*',
  '-dash',
  'back\\slash',
];

/** What both makes of the virtual phone have to do, seen through the real adb. */
export function conformance(make: Make): void {
  describe(`${make} phone`, () => {
    let bench: Bench;
    let probe: string;
    beforeAll(async () => {
      bench = await Bench.start({ make, profile: 'pixel-8', name: 'conformance' });
      probe = await buildProbe(hostAbi, bench.folder);
      await bench.adb('push', probe, '/data/local/tmp/probe');
    });
    afterAll(async () => {
      await bench?.stop();
    });

    test('is a device with a model', async () => {
      const list = await bench.server.adb('devices', '-l');
      expect(list).toContain('device product:shiba model:Pixel_8 device:shiba');
    });

    describe('files', () => {
      test('push and pull keep all bytes, with progress beyond one payload', async () => {
        const data = Buffer.concat([
          Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
          randomBytes(50_000_000),
        ]);
        const path = join(bench.folder, 'big');
        writeFileSync(path, data);
        const begun = performance.now();
        expect((await bench.adb('push', path, '/data/local/tmp/big')).code).toBe(0);
        const pushed = performance.now();
        expect((await bench.adb('pull', '/data/local/tmp/big', `${path}.back`)).code).toBe(0);
        const pulled = performance.now();
        expect(readFileSync(`${path}.back`).equals(data)).toBe(true);
        const speed = (ms: number) => (data.length / 1000 / ms).toFixed(0);
        console.log(`${make}: push ${speed(pushed - begun)} MB/s, pull ${speed(pulled - pushed)} MB/s`);
        await bench.shell('rm /data/local/tmp/big');
      });

      test('odd names', async () => {
        for (const [index, name] of oddNames.entries()) {
          const path = join(bench.folder, `odd-${index}`);
          writeFileSync(path, name);
          expect((await bench.adb('push', path, `/data/local/tmp/odd/${name}`)).code).toBe(0);
          expect((await bench.adb('pull', `/data/local/tmp/odd/${name}`, `${path}.back`)).code).toBe(0);
          expect(readFileSync(`${path}.back`, 'utf8')).toBe(name);
        }
        const { out } = await bench.shell('ls -1 /data/local/tmp/odd | wc -l');
        expect(out.trim()).toBe(String(oddNames.length));
        await bench.shell('rm -r /data/local/tmp/odd');
      });

      test('an empty file, a tree, modes and times', async () => {
        const tree = join(bench.folder, 'tree');
        mkdirSync(join(tree, 'deep/er'), { recursive: true });
        writeFileSync(join(tree, 'empty'), '');
        writeFileSync(join(tree, 'deep/er/run'), '#!/system/bin/sh\necho ran $1\n', { mode: 0o755 });
        utimesSync(join(tree, 'empty'), 1_600_000_000, 1_600_000_000);
        await bench.adb('push', tree, '/data/local/tmp/tree');
        const { out } = await bench.shell(
          'cd /data/local/tmp/tree; stat -c "%s %a %Y" empty; ./deep/er/run fast',
        );
        expect(out).toBe('0 666 1600000000\nran fast\n');
        // adbd copies the owner's bits to group and others.
        expect((await bench.shell('stat -c %a /data/local/tmp/tree/deep/er/run')).out).toBe('777\n');
        await bench.adb('pull', '/data/local/tmp/tree', join(bench.folder, 'tree-back'));
        expect(statSync(join(bench.folder, 'tree-back/empty')).size).toBe(0);
        expect(readFileSync(join(bench.folder, 'tree-back/deep/er/run'), 'utf8')).toContain('echo ran');
        const list = await bench.adb('ls', '/data/local/tmp/tree');
        expect(list.out).toMatch(/ deep\n/);
        expect(list.out).toMatch(/ empty\n/);
        await bench.shell('rm -r /data/local/tmp/tree');
      });

      test('what cannot be done is said', async () => {
        const path = join(bench.folder, 'small');
        writeFileSync(path, 'x');
        const denied = await bench.adb('push', path, '/system/x');
        expect(denied.code).toBe(1);
        expect(denied.out + denied.err).toMatch(/Read-only file system|Permission denied/);
        const missing = await bench.adb('pull', '/data/local/tmp/no-such-file', bench.folder);
        expect(missing.code).toBe(1);
        expect(missing.out + missing.err).toMatch(/No such file or directory|does not exist/);
      });

      test('/sdcard is writable and not executable', async () => {
        await bench.adb('push', probe, '/sdcard/probe');
        const { code } = await bench.shell('chmod 755 /sdcard/probe; /sdcard/probe exit 0');
        expect(code).toBe(126);
        await bench.shell('rm /sdcard/probe');
      });

      test('no path leads to the host', async () => {
        const host = readFileSync('/etc/passwd', 'utf8');
        const escapes = ['../'.repeat(20), '/'].map((up) => `${up}etc/passwd`);
        for (const path of [...escapes, '/data/local/tmp/link', '/proc/self/root/etc/passwd']) {
          await bench.shell(`rm -f /data/local/tmp/link; ln -s ${escapes[0]} /data/local/tmp/link`);
          const { out } = await bench.shell(`cat ${path}`);
          expect(out).not.toBe(host);
          await bench.adb('pull', path, join(bench.folder, 'escaped'));
        }
        await bench.shell('rm /data/local/tmp/link');
      });
    });

    describe('shell', () => {
      test.each(shellCases)('%s', async (command, output, code) => {
        const result = await bench.shell(command);
        expect({ out: result.out, code: result.code }).toEqual({ out: output, code });
      });

      test('files', async () => {
        await bench.shell('mkdir /data/local/tmp/cases');
        for (const [command, output, code] of fileCases) {
          const result = await bench.shell(`cd /data/local/tmp/cases; ${command}`);
          expect({ command, out: result.out, code: result.code }).toEqual({ command, out: output, code });
        }
        await bench.shell('rm -rf /data/local/tmp/cases');
      });

      test.each([0, 1, 2, 77, 125, 128, 255])('a program that exits with %i', async (code) => {
        expect((await bench.shell(`/data/local/tmp/probe exit ${code}`)).code).toBe(code);
      });

      test('a program killed by a signal', async () => {
        expect((await bench.shell('/data/local/tmp/probe abort')).code).toBe(134);
      });

      test('unknown commands, missing permission, wrong ABI', async () => {
        const unknown = await bench.shell('no-such-command');
        expect(unknown.code).toBe(127);
        expect(unknown.err).toMatch(/no-such-command: (inaccessible or )?not found/);
        await bench.shell('echo text >/data/local/tmp/plain; chmod 644 /data/local/tmp/plain');
        const plain = await bench.shell('/data/local/tmp/plain');
        expect(plain.code).toBe(126);
        expect(plain.err).toMatch(/[Pp]ermission denied/);
      });

      test('stdout and stderr come apart', async () => {
        const result = await bench.shell('/data/local/tmp/probe streams');
        expect(result).toEqual({ out: 'out 0\nout 1\nout 2\n', err: 'err 0\nerr 1\nerr 2\n', code: 5 });
        const merged = await bench.shell('/data/local/tmp/probe streams 2>&1');
        expect(merged.out).toBe('out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n');
      });

      test('arguments reach a program as they are', async () => {
        const { out } = await bench.shell(`/data/local/tmp/probe args 'a b' "" '*' '\\' 'ü$x' "it's"`);
        expect(out.split('\n').slice(1, -1)).toEqual([
          '[args]',
          '[a b]',
          '[]',
          '[*]',
          '[\\]',
          '[ü$x]',
          "[it's]",
        ]);
      });

      test('standard input reaches built-in commands and programs', async () => {
        const data = randomBytes(3_000_000);
        expect((await bench.shell('/data/local/tmp/probe count', data)).out).toBe('3000000\n');
        expect((await bench.shell('wc -c', data)).out.trim()).toBe('3000000');
        expect(
          (await bench.shell('cat >/data/local/tmp/in; wc -c </data/local/tmp/in', 'typed')).out.trim(),
        ).toBe('5');
      });

      test('standard input of a shell without a command is a script', async () => {
        const result = await execa('adb', bench.arguments('shell', '-T'), {
          env: bench.server.env,
          extendEnv: false,
          input: 'x=4\necho $((x * 2))\nexit 6\n',
          reject: false,
        });
        expect({ out: result.stdout, code: result.exitCode }).toEqual({ out: '8', code: 6 });
      });

      test('exec-out is clean to the byte', async () => {
        const data = Buffer.concat([Buffer.from('\r\n\n\r\0\x1b\x04'), randomBytes(2_000_000)]);
        writeFileSync(join(bench.folder, 'bytes'), data);
        await bench.adb('push', join(bench.folder, 'bytes'), '/data/local/tmp/bytes');
        expect((await bench.execOut('cat /data/local/tmp/bytes')).equals(data)).toBe(true);
        await bench.shell('rm /data/local/tmp/bytes');
      });

      test('many at once', async () => {
        const results = await Promise.all(
          Array.from({ length: 12 }, (_, n) => bench.shell(`sleep 0.2; echo ${n}; exit ${n}`)),
        );
        expect(results.map(({ out, code }) => [out, code])).toEqual(results.map((_, n) => [`${n}\n`, n]));
      });
    });

    socketSuite(make, () => bench);
    lifetimeSuite(make, () => bench);
    protocolSuite(make, () => bench);
    factsSuite(make);
  });
}
