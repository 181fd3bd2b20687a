import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mft } from '../../src/protocol/index.ts';
import { Bench, buildProbe, eventually, hostAbi, type Make, runtimeOf } from './bench.ts';

function meminfo(text: string, name: string): number {
  return Number(new RegExp(`^${name}: +([0-9]+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** The first line that begins with the key, as a parser of this output has to read it. */
function batteryValue(text: string, key: string): string | undefined {
  return new RegExp(`^  ${key}: (.*)$`, 'm').exec(text)?.[1];
}

const profiles = [
  {
    name: 'pixel-8',
    brand: 'google',
    totalKb: 7_721_636,
    counter: (charge: number) => charge * 1000,
    capacity: 4575,
  },
  { name: 'galaxy-a52', brand: 'samsung', totalKb: 5_559_328, counter: () => 0, capacity: 4500 },
  {
    name: 'redmi-note-14',
    brand: 'Redmi',
    totalKb: 7_843_108,
    counter: (charge: number) => charge,
    capacity: 5500,
  },
];

/** What a phone says of itself is its profile's, not the host's. */
export function factsSuite(make: Make): void {
  describe.each(profiles)('facts of $name', ({ name, brand, totalKb, counter, capacity }) => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await Bench.start({ make, profile: name, battery: 60, charging: true });
      await bench.adb('push', await buildProbe(hostAbi, bench.folder), '/data/local/tmp/probe');
    });
    afterAll(async () => {
      await bench?.stop();
    });

    test('memory, for the shell and for a program', async () => {
      const host = readFileSync('/proc/meminfo', 'utf8');
      for (const command of ['cat /proc/meminfo', '/data/local/tmp/probe file /proc/meminfo']) {
        const { out } = await bench.shell(command);
        expect(meminfo(out, 'MemTotal')).toBe(totalKb);
        expect(meminfo(out, 'MemTotal')).not.toBe(meminfo(host, 'MemTotal'));
        expect(meminfo(out, 'MemAvailable')).toBeGreaterThan(totalKb / 10);
        expect(meminfo(out, 'MemAvailable')).toBeLessThan(totalKb);
      }
    });

    const runtime = runtimeOf(hostAbi);
    test.skipIf(runtime === undefined)('memory and battery, for the runtime', async () => {
      await bench.adb('push', runtime ?? '', '/data/local/tmp/mft-runtime');
      const output = await bench.execOut('/data/local/tmp/mft-runtime facts');
      const facts = mft.v1.DeviceFacts.decodeDelimited(output);
      expect(facts.abi).toBe(hostAbi);
      expect(Number(facts.reading?.memTotalBytes)).toBe(totalKb * 1024);
      expect(facts.reading?.batteryPercent).toBe(60);
      expect(facts.reading?.batteryStatus).toBe('Charging');
    });

    test('getprop, one and all', async () => {
      expect((await bench.shell('getprop ro.product.brand')).out).toBe(`${brand}\n`);
      expect((await bench.shell('getprop ro.product.cpu.abi')).out).toBe(`${hostAbi}\n`);
      expect((await bench.shell('getprop no.such.property')).out).toBe('\n');
      const all = (await bench.shell('getprop')).out.trim().split('\n');
      expect(all.length).toBeGreaterThan(20);
      for (const line of all) expect(line).toMatch(/^\[[a-z0-9._-]+\]: \[.*\]$/);
    });

    test('dumpsys battery', async () => {
      const { out } = await bench.shell('dumpsys battery');
      expect(out.split('\n')[0]).toBe('Current Battery Service state:');
      expect(batteryValue(out, 'level')).toBe('60');
      expect(batteryValue(out, 'scale')).toBe('100');
      expect(batteryValue(out, 'status')).toBe('2');
      expect(Number(batteryValue(out, 'voltage'))).toBeGreaterThan(3300);
      expect(Number(batteryValue(out, 'voltage'))).toBeLessThan(4600);
      expect(Number(batteryValue(out, 'temperature'))).toBeGreaterThan(200);
      expect(Number(batteryValue(out, 'temperature'))).toBeLessThan(400);
      const expected = counter(capacity * 0.6);
      expect(Math.abs(Number(batteryValue(out, 'Charge counter')) - expected)).toBeLessThanOrEqual(
        expected * 0.02,
      );
    });

    test('dumpsys thermalservice and the thermal zones', async () => {
      const { out } = await bench.shell('dumpsys thermalservice');
      const section = out.slice(
        out.indexOf('Current temperatures from HAL:'),
        out.indexOf('Current cooling devices'),
      );
      const sensors = [
        ...section.matchAll(
          /^\tTemperature\{mValue=([0-9.]+), mType=([0-9]+), mName=(.+), mStatus=([0-6])\}$/gm,
        ),
      ];
      expect(sensors.length).toBeGreaterThanOrEqual(5);
      expect(out).toMatch(/^Thermal Status: 0$/m);
      expect(out.indexOf('Cached temperatures:')).toBeLessThan(out.indexOf('Current temperatures from HAL:'));
      const zones = (await bench.shell('cat /sys/class/thermal/thermal_zone*/temp')).out.trim().split('\n');
      for (const zone of zones) expect(Number(zone)).toBeGreaterThan(20_000);
    });

    test('sysfs battery follows the charger', async () => {
      const uevent = (await bench.shell('cat /sys/class/power_supply/battery/uevent')).out;
      expect(uevent).toContain('POWER_SUPPLY_STATUS=Charging\n');
      await bench.phone.fault('unplug');
      await eventually(
        async () =>
          (await bench.shell('/data/local/tmp/probe file /sys/class/power_supply/battery/status')).out ===
          'Discharging\n',
        'the battery discharges',
      );
      const dump = (await bench.shell('dumpsys battery')).out;
      expect(batteryValue(dump, 'status')).toBe('3');
      expect([batteryValue(dump, 'AC powered'), batteryValue(dump, 'USB powered')]).toEqual([
        'false',
        'false',
      ]);
      await bench.phone.fault('battery', { percent: 12 });
      await bench.phone.fault('heat', { celsius: 47 });
      expect(batteryValue((await bench.shell('dumpsys battery')).out, 'level')).toBe('12');
      expect((await bench.shell('dumpsys thermalservice')).out).toMatch(/^Thermal Status: [1-6]$/m);
      await bench.phone.fault('plug');
      expect((await bench.shell('cat /sys/class/power_supply/battery/status')).out).toBe('Charging\n');
    });

    test('processors and kernel', async () => {
      const possible = (await bench.shell('cat /sys/devices/system/cpu/possible')).out.trim();
      expect(possible).toBe(name === 'pixel-8' ? '0-8' : '0-7');
      expect((await bench.shell('cat /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq')).out).toMatch(
        /^[0-9]{7}\n$/,
      );
      expect((await bench.shell('cat /proc/version')).out).toMatch(
        /^Linux version [456]\.[0-9.]+-.*android|ab/,
      );
    });

    test('settings keep what they are told', async () => {
      expect((await bench.shell('settings get system no_such_setting')).out).toBe('null\n');
      await bench.shell('settings put system screen_off_timeout 1234567');
      expect((await bench.shell('settings get system screen_off_timeout')).out).toBe('1234567\n');
    });
  });

  describe('physics', () => {
    test('work drains the battery and warms the phone', async () => {
      const bench = await Bench.start({ make, battery: 50, charging: false, timeScale: 600 });
      try {
        await bench.adb('push', await buildProbe(hostAbi, bench.folder), '/data/local/tmp/probe');
        const read = async () => {
          const files = [
            '/sys/class/power_supply/battery/charge_counter',
            '/sys/class/thermal/thermal_zone1/temp',
          ];
          const [charge = 0, temperature = 0] = (await bench.shell(`cat ${files.join(' ')}`)).out
            .split('\n')
            .map(Number);
          return { charge, temperature };
        };
        /** Charge that goes in a second of the clock. */
        const rate = async (ms: number) => {
          const [before, begun] = [await read(), performance.now()];
          await delay(ms);
          const [after, ended] = [await read(), performance.now()];
          return ((before.charge - after.charge) * 1000) / (ended - begun);
        };
        const { temperature } = await read();
        const idle = await rate(3000);
        await bench.shell('setsid /data/local/tmp/probe spin 600 </dev/null >/dev/null 2>&1 &');
        await eventually(async () => (await read()).temperature > temperature + 1000, 'it is warmer');
        const busy = await rate(3000);
        expect(idle).toBeGreaterThan(0);
        expect(busy).toBeGreaterThan(idle * 1.3);
        await bench.shell('pkill probe');
        await eventually(async () => (await read()).temperature < temperature + 1000, 'it has cooled');
      } finally {
        await bench.stop();
      }
    });

    test('a program that holds memory takes it from MemAvailable', async () => {
      const bench = await Bench.start({ make });
      try {
        await bench.adb('push', await buildProbe(hostAbi, bench.folder), '/data/local/tmp/probe');
        const available = async () => meminfo((await bench.shell('cat /proc/meminfo')).out, 'MemAvailable');
        const before = await available();
        await bench.shell('setsid /data/local/tmp/probe memory 300 </dev/null >/dev/null 2>&1 &');
        await eventually(async () => (await available()) < before - 290 * 1024, 'it is missed');
        expect(await available()).toBeGreaterThan(before - 350 * 1024);
        await bench.shell('pkill probe');
        await eventually(async () => (await available()) > before - 20 * 1024, 'it is back');
      } finally {
        await bench.stop();
      }
    });
  });
}
