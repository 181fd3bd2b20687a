import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchPhone, listPhones, type PhoneRecord, stopPhone } from '../../src/phone/index.ts';
import { packagesFolder } from '../../src/phone/real/packages.ts';
import { mft } from '../../src/protocol/index.ts';
import { startAdbServer } from '../support/adb-server.ts';
import { realUnavailable } from '../support/real-phones.ts';
import { Bench, buildProbe, eventually, hostAbi, otherAbi, runtimeOf } from './bench.ts';
import { conformance } from './conformance.ts';

const reason = await realUnavailable();
if (reason !== undefined) test.skip(`phones of the real make were NOT tested: ${reason}`);
else {
  conformance('real');
  describe('real phone', ownSuite);
  describe('real phones', fleetSuite);
}

/** What only this make does, or does for real. */
function ownSuite(): void {
  describe('on the phone', () => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await Bench.start({ make: 'real' });
      await bench.adb('push', await buildProbe(hostAbi, bench.folder), '/data/local/tmp/probe');
    });
    afterAll(async () => {
      await bench?.stop();
    });

    test('adbd is the first process but init, and orphans leave no zombie', async () => {
      await bench.shell('(sleep 0.2 &) ; setsid sh -c "(sleep 0.3 &)" </dev/null >/dev/null 2>&1');
      await delay(800);
      const { out } = await bench.shell('cat /proc/1/comm; ps -A -o PID,PPID,S,NAME');
      expect(out).toMatch(/^init$/m);
      expect(out).toMatch(/^ +[0-9]+ +1 [RS] adbd *$/m);
      expect(out).not.toMatch(/ Z /);
      expect(out).not.toMatch(/sleep/);
    });

    test('nobody is root there, and nothing makes one so', async () => {
      const { out } = await bench.shell('cat /proc/self/status');
      expect(out).toMatch(/^Uid:\t2000\t2000\t2000\t2000$/m);
      expect(out).toMatch(/^CapEff:\t0+$/m);
      const { out: setuid } = await bench.shell('find / -xdev -perm /6000 2>/dev/null');
      expect(setuid).toBe('');
    });

    test("its / is all it sees of the host's files, for user namespaces too", async () => {
      const { out } = await bench.shell('ls /; unshare -r ls / 2>/dev/null; ls /mnt/host');
      expect(out).toContain('apex');
      expect(out).not.toMatch(/^(home|root|var|boot)$/m);
      const { out: interfaces } = await bench.shell('cat /proc/net/dev');
      expect(interfaces.trim().split('\n').slice(2).join()).toMatch(/^ +lo:[^\n]*$/);
    });

    test('adbd is reached through the port on 127.0.0.1 only', async () => {
      const addresses = Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .filter(({ family, internal }) => family === 'IPv4' && !internal);
      for (const { address } of addresses) expect(await answers(address, bench.phone.port)).toBe(false);
      expect(await answers('127.0.0.1', 555)).toBe(false);
      expect(await answers('127.0.0.1', bench.phone.port)).toBe(true);
    });

    test('the full disk is full for a program too', async () => {
      await bench.phone.fault('disk-full', { bytes: 2_000_000 });
      const fill = 'dd if=/dev/zero of=/data/local/tmp/fill bs=65536 count=100 2>&1';
      const { out } = await bench.shell(`${fill}; stat -c %s /data/local/tmp/fill`);
      expect(out).toContain('No space left on device');
      const written = Number(out.trim().split('\n').at(-1));
      expect(written).toBeLessThanOrEqual(2_000_000);
      expect(written).toBeGreaterThan(1_800_000);
      await bench.phone.fault('clear');
      expect((await bench.shell(`${fill}; stat -c %s /data/local/tmp/fill`)).out).toContain('6553600');
      await bench.shell('rm /data/local/tmp/fill');
    });

    test('when adbd dies by itself, init starts it again and all its children are gone', async () => {
      await bench.shell('setsid /data/local/tmp/probe hold 60 </dev/null >/dev/null 2>&1 &');
      expect((await bench.shell('pidof probe')).code).toBe(0);
      await bench.shell('kill -9 $(pidof adbd)');
      await delay(300);
      await bench.server.adb('disconnect', bench.phone.serial);
      await bench.reconnect();
      expect((await bench.shell('pidof probe')).out).toBe('');
      expect((await bench.shell('getprop ro.product.model')).out).toBe('Pixel 8\n');
    });
  });

  test(`programs for ${otherAbi} run through qemu, as the processor that was asked for`, async () => {
    const before = await registrations();
    const options = { make: 'real', abi: otherAbi } as const;
    const bench = await Bench.start({ ...options, cpu: otherAbi === 'arm64-v8a' ? 'cortex-a53' : 'max' });
    try {
      expect((await bench.shell('getprop ro.product.cpu.abi; uname -m')).out).toBe(
        otherAbi === 'arm64-v8a' ? 'arm64-v8a\naarch64\n' : 'x86_64\nx86_64\n',
      );
      await bench.adb('push', await buildProbe(otherAbi, bench.folder), '/data/local/tmp/probe');
      const streams = { code: 5, out: 'out 0\nout 1\nout 2\n' };
      expect(await bench.shell('/data/local/tmp/probe streams')).toMatchObject(streams);
      expect((await bench.shell('/data/local/tmp/probe abort')).code).toBe(134);
      expect((await bench.shell('/data/local/tmp/probe file /proc/meminfo')).out).toMatch(
        /^MemTotal: +7721636 kB$/m,
      );
      const pid = 'setsid /data/local/tmp/probe hold 60 </dev/null >/dev/null 2>&1 & echo $!';
      const { out } = await bench.shell(pid);
      // toybox's pidof looks at the first argument, which is qemu's.
      expect((await bench.shell('pgrep -x probe')).out).toBe(out);
      // One phone's end must not take qemu away from another.
      const other = await Bench.start(options);
      await other.stop();
      expect(await bench.shell('/data/local/tmp/probe streams')).toMatchObject(streams);
      const runtime = runtimeOf(otherAbi);
      if (runtime !== undefined) {
        await bench.adb('push', runtime, '/data/local/tmp/mft-runtime');
        const facts = mft.v1.DeviceFacts.decodeDelimited(
          await bench.execOut('/data/local/tmp/mft-runtime facts'),
        );
        expect(facts.abi).toBe(otherAbi);
        expect(Number(facts.reading?.memTotalBytes)).toBe(7_721_636 * 1024);
      }
    } finally {
      await bench.stop();
    }
    expect(await registrations()).toEqual(before);
  });

  test.each(['stop', 'SIGKILL'])('after %s nothing is left', async (how) => {
    const folder = await execa('mktemp', ['-d']);
    const script = join(import.meta.dirname, '../support/hold-phone.ts');
    const holder = execa(process.execPath, [script, otherAbi, folder.stdout], { reject: false });
    let said = '';
    holder.stdout.on('data', (text) => {
      said += String(text);
    });
    await eventually(async () => said.includes('started'), 'it starts');
    expect(traces(folder.stdout)).toMatchObject({ loop: 1 });
    expect(traces(folder.stdout).processes).toBeGreaterThan(3);
    holder.kill(how === 'stop' ? 'SIGTERM' : 'SIGKILL');
    await holder;
    await eventually(async () => {
      const { loop, processes, mounts } = traces(folder.stdout);
      return loop === 0 && processes === 0 && mounts === 0;
    }, 'all has ended');
    // A phone that could not clean up leaves its registration to the next one that ends.
    if (how === 'SIGKILL') await (await Bench.start({ make: 'real', abi: otherAbi })).stop();
    expect((await registrations()).filter((name) => name.startsWith('mft-'))).toEqual([]);
    await execa('rm', ['-r', folder.stdout]);
  });
}

/** As processes of their own. */
function fleetSuite(): void {
  test('mft phone start --make real, list, fault, stop', async () => {
    const server = await startAdbServer();
    const dataFolder = await mkdtemp(join(tmpdir(), 'mft-real-'));
    const env = { ...server.env, MFT_HOME: dataFolder, MFT_ADBD_ROOT: packagesFolder() };
    const run = async (...args: string[]) => {
      const cli = join(import.meta.dirname, '../support/cli.ts');
      const { stdout } = await execa(process.execPath, [cli, 'phone', ...args], { env, extendEnv: false });
      return stdout;
    };
    try {
      const started = await run('start', '--make', 'real', '--name', 'shelf', '--battery', '33', '--json');
      const { phone } = JSON.parse(started) as { phone: PhoneRecord };
      expect(phone).toMatchObject({ name: 'shelf', make: 'real', profile: 'pixel-8', abi: hostAbi });
      const shell = async (command: string) => await server.adb('-s', phone.serial, 'shell', command);
      expect(await shell('cat /sys/class/power_supply/battery/capacity')).toBe('33');
      expect(await run('list')).toMatch(new RegExp(`^${phone.serial} +shelf +running +real +pixel-8`, 'm'));
      await run('fault', 'battery', '--percent', '8');
      expect(await shell('dumpsys battery')).toContain('  level: 8\n');
      const folder = join(dataFolder, 'phones/shelf');
      expect(traces(folder).loop).toBe(1);
      await run('stop');
      expect(JSON.parse(await run('list', '--json'))).toEqual({ phones: [] });
      expect(readdirSync(join(dataFolder, 'phones'))).toEqual([]);
    } finally {
      for (const { name } of listPhones({ dataFolder })) await stopPhone(name, { dataFolder });
      await server.stop();
      await rm(dataFolder, { recursive: true });
    }
  });

  test('its files can be kept; when its process is killed nothing of it goes on', async () => {
    const server = await startAdbServer();
    const dataFolder = await mkdtemp(join(tmpdir(), 'mft-real-'));
    // The phone's process asks the environment where the packages are.
    const before = process.env.MFT_ADBD_ROOT;
    process.env.MFT_ADBD_ROOT = packagesFolder();
    const shell = async ({ serial }: PhoneRecord, command: string) => {
      await server.adb('connect', serial);
      return await server.adb('-s', serial, 'shell', command);
    };
    const options = { make: 'real', name: 'kept' } as const;
    try {
      const first = await launchPhone(options, { dataFolder });
      await shell(first, 'echo remembered >/data/local/tmp/note; settings put system x 7');
      await stopPhone('kept', { dataFolder, keep: true });
      const second = await launchPhone(options, { dataFolder });
      expect(await shell(second, 'cat /data/local/tmp/note; settings get system x')).toBe('remembered\n7');
      process.kill(second.pid, 'SIGKILL');
      const folder = join(dataFolder, 'phones/kept');
      await eventually(async () => traces(folder).processes === 0, 'all has ended');
      expect(listPhones({ dataFolder })).toMatchObject([{ name: 'kept', alive: false }]);
      const third = await launchPhone(options, { dataFolder });
      expect(await shell(third, 'cat /data/local/tmp/note')).toBe('remembered');
      await stopPhone('kept', { dataFolder });
      expect(readdirSync(join(dataFolder, 'phones'))).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.MFT_ADBD_ROOT;
      else process.env.MFT_ADBD_ROOT = before;
      for (const { name } of listPhones({ dataFolder })) await stopPhone(name, { dataFolder });
      await server.stop();
      await rm(dataFolder, { recursive: true });
    }
  });
}

/** Whether somebody who speaks the ADB protocol is there: a connection alone may be a relay's. */
async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  const payload = 'host::\0';
  const head = Buffer.from(
    [0x4e584e43, 0x01000001, 4096, payload.length, 0, 0x4e584e43 ^ -1].flatMap((word) => [
      ...Buffer.from(Uint32Array.of(word).buffer),
    ]),
  );
  return await new Promise((resolve) => {
    const settle = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.once('connect', () => socket.write(Buffer.concat([head, Buffer.from(payload)])));
    socket.once('data', (data) => settle(data.toString('latin1', 0, 4) === 'CNXN'));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    setTimeout(settle, 3000, false);
  });
}

/** The entries of binfmt_misc, seen from a mount of its own. */
async function registrations(): Promise<string[]> {
  const folder = '/proc/sys/fs/binfmt_misc';
  const { stdout } = await execa('unshare', [
    ...['--mount', 'sh', '-c'],
    `[ -e ${folder}/register ] || mount -t binfmt_misc binfmt_misc ${folder}; ls ${folder}`,
  ]);
  return stdout.split('\n').filter((name) => name !== 'register' && name !== 'status');
}

/** What is there on the host of the phone in a folder. */
function traces(folder: string): { loop: number; processes: number; mounts: number } {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  };
  const id = read(join(folder, 'id')).trim();
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return {
    loop: readdirSync('/sys/block').filter((name) =>
      read(`/sys/block/${name}/loop/backing_file`).startsWith(folder),
    ).length,
    processes: pids.filter((pid) => read(`/proc/${pid}/environ`).includes(`MFT_PHONE_ID=${id}`)).length,
    mounts: read('/proc/self/mounts').split(folder).length - 1,
  };
}
