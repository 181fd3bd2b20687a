import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Bench, buildProbe, eventually, hostAbi, type Make } from './bench.ts';
import { startEcho } from './conformance-sockets.ts';

/** Starts a program in the foreground of an adb shell and returns its pid. */
async function hold(bench: Bench): Promise<{ pid: string; client: ReturnType<Bench['background']> }> {
  const client = bench.background('shell', '-T', '/data/local/tmp/probe hold 600');
  let text = '';
  client.stdout.on('data', (piece) => {
    text += String(piece);
  });
  await eventually(async () => text.includes('\n'), 'it says its pid');
  return { pid: text.trim().replace('pid ', ''), client };
}

export function lifetimeSuite(make: Make, get: () => Bench): void {
  describe('lifetimes', () => {
    test('a program dies when its adb client is killed', async () => {
      const bench = get();
      const { pid, client } = await hold(bench);
      expect(await bench.alive(pid)).toBe(true);
      client.kill('SIGKILL');
      await eventually(async () => !(await bench.alive(pid)), 'it is dead', 10);
    });

    test('a program dies with the transport; with setsid it survives', async () => {
      const bench = get();
      const { pid } = await hold(bench);
      const survivor = await startEcho(bench, 'survivor');
      await bench.phone.fault('disconnect');
      await bench.reconnect();
      await eventually(async () => !(await bench.alive(pid)), 'it is dead', 10);
      expect(await bench.alive(survivor)).toBe(true);
      await bench.shell(`kill -9 ${survivor}`);
      await eventually(async () => !(await bench.alive(survivor)), 'it is killed');
    });

    test('what the shell starts in the background with setsid does not hold it', async () => {
      const bench = get();
      const begun = performance.now();
      const { out } = await bench.shell('setsid sleep 30 </dev/null >/dev/null 2>&1 & echo $!');
      expect(performance.now() - begun).toBeLessThan(10_000);
      expect(await bench.alive(out.trim())).toBe(true);
      await bench.shell(`kill ${out.trim()}`);
    });

    test('adbd-restart kills everything, setsid or not', async () => {
      const bench = get();
      await startEcho(bench, 'restarted');
      await bench.phone.fault('adbd-restart', { seconds: 0.2 });
      await bench.reconnect();
      // By name: its process number may be another program's by now.
      expect((await bench.shell('pidof probe')).out.trim()).toBe('');
      expect((await bench.shell('cat /data/local/tmp/echo-restarted.log')).out).toContain('listening');
    });

    test('reboot does so too, and changes the boot id', async () => {
      const bench = get();
      const before = (await bench.shell('cat /proc/sys/kernel/random/boot_id')).out;
      await startEcho(bench, 'rebooted');
      await bench.phone.fault('reboot', { seconds: 0.2 });
      await bench.reconnect();
      expect((await bench.shell('pidof probe')).out.trim()).toBe('');
      const after = (await bench.shell('cat /proc/sys/kernel/random/boot_id')).out;
      expect(after).toMatch(/^[0-9a-f-]{36}\n$/);
      expect(after).not.toBe(before);
    });

    test('stall: nothing moves, and goes on where it was', async () => {
      const bench = get();
      const client = bench.background('shell', '-T', 'sleep 0.3; echo through; exit 4');
      await bench.phone.fault('stall');
      let ended = false;
      void client.then(() => {
        ended = true;
      });
      await delay(1500);
      expect(ended).toBe(false);
      await bench.phone.fault('clear');
      const { stdout, exitCode } = await client;
      expect([stdout, exitCode]).toEqual(['through', 4]);
    });

    test('refuse: no new connection until clear', async () => {
      const bench = get();
      await bench.phone.fault('refuse');
      await bench.server.adb('disconnect', bench.phone.serial);
      const refused = await bench.server
        .adb('connect', bench.phone.serial)
        .catch((error: unknown) => String(error));
      expect(refused).toMatch(/refused|failed|cannot/);
      await bench.phone.fault('clear');
      await bench.reconnect();
    });

    test('slow: a push takes its time', async () => {
      const bench = get();
      const begun = performance.now();
      await bench.phone.fault('slow', { bytesPerSecond: 400_000 });
      expect((await bench.shell('cat', Buffer.alloc(300_000, 97))).out.length).toBe(300_000);
      expect(performance.now() - begun).toBeGreaterThan(1000);
      await bench.phone.fault('clear');
    });

    test('a push that breaks off leaves nothing under its name', async () => {
      const bench = get();
      const path = join(bench.folder, 'broken-off');
      writeFileSync(path, Buffer.alloc(20_000_000, 7));
      await bench.phone.fault('slow', { bytesPerSecond: 4_000_000 });
      const push = bench.background('push', path, '/data/local/tmp/broken-off');
      const size = async () => Number((await bench.shell('stat -c %s /data/local/tmp/broken-off')).out);
      await eventually(async () => (await size()) > 0, 'it has begun');
      await bench.phone.fault('disconnect');
      await bench.phone.fault('clear');
      expect((await push).exitCode).not.toBe(0);
      await bench.reconnect();
      await eventually(
        async () => (await bench.shell('ls /data/local/tmp/broken-off')).code !== 0,
        'it is gone',
        10,
      );
    });

    test('disk-full: df and pushes say so', async () => {
      const bench = get();
      await bench.phone.fault('disk-full', { bytes: 0 });
      const probe = await buildProbe(hostAbi, bench.folder);
      const push = await bench.adb('push', probe, '/data/local/tmp/too-big');
      expect(push.code).toBe(1);
      expect(push.out + push.err).toContain('No space left on device');
      const write = await bench.shell('echo x >/data/local/tmp/full; echo $?');
      expect(write.out.trim()).not.toBe('0');
      const df = (await bench.shell('df -k /data')).out.trim().split('\n').at(-1)?.split(/ +/) ?? [];
      expect(Number(df[3])).toBe(0);
      await bench.phone.fault('clear');
      expect((await bench.adb('push', probe, '/data/local/tmp/not-too-big')).code).toBe(0);
      await bench.shell('rm -f /data/local/tmp/not-too-big /data/local/tmp/full /data/local/tmp/too-big');
    });

    test('two phones at once know nothing of each other', async () => {
      const bench = get();
      const other = await Bench.start({ make, profile: 'galaxy-a52', name: 'other' });
      try {
        const probe = await buildProbe(hostAbi, other.folder);
        await other.adb('push', probe, '/data/local/tmp/probe');
        const one = await startEcho(bench, 'same-name');
        const two = await startEcho(other, 'same-name');
        expect((await other.shell(`kill -9 ${two}; pkill -9 probe; pidof probe`)).out.trim()).toBe('');
        expect(await bench.alive(one)).toBe(true);
        await other.shell('echo secret >/data/local/tmp/only-here');
        expect((await bench.shell('cat /data/local/tmp/only-here')).code).toBe(1);
        expect((await other.shell('getprop ro.product.model')).out).toBe('SM-A525F\n');
        await other.phone.stop();
        expect(await bench.alive(one)).toBe(true);
        await bench.shell(`kill -9 ${one}`);
      } finally {
        await other.stop();
      }
    });

    test('stop leaves no process behind', async () => {
      const own = await Bench.start({ make, name: 'ending' });
      try {
        const probe = await buildProbe(hostAbi, own.folder);
        await own.adb('push', probe, '/data/local/tmp/probe');
        const marks = `left-behind-${process.pid}-${Date.now()}`;
        await own.shell(`setsid /data/local/tmp/probe hold 600 ${marks} </dev/null >/dev/null 2>&1 &`);
        await eventually(async () => (await hostProcesses(marks)).length === 1, 'it runs');
        await own.phone.stop();
        expect(await hostProcesses(marks)).toEqual([]);
      } finally {
        await own.stop();
      }
    });
  });
}

/** Processes of the host with a word on their command line. */
async function hostProcesses(word: string): Promise<string[]> {
  return readdirSync('/proc').filter((pid) => {
    try {
      const line = /^[0-9]+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') : [];
      return line.includes(word) && line.includes('hold');
    } catch {
      return false;
    }
  });
}
