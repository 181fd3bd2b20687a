import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faultPhone, launchPhone, listPhones, type PhoneRecord, stopPhone } from '../../src/phone/index.ts';
import { startAdbServer, type TestAdbServer } from '../support/adb-server.ts';
import { buildProbe, eventually, hostAbi } from './bench.ts';

const cli = join(import.meta.dirname, '../support/cli.ts');

describe('phones as processes of their own', () => {
  let server: TestAdbServer;
  let dataFolder: string;
  beforeAll(async () => {
    server = await startAdbServer();
    dataFolder = await mkdtemp(join(tmpdir(), 'mft-fleet-'));
  });
  afterAll(async () => {
    for (const { name } of listPhones({ dataFolder })) await stopPhone(name, { dataFolder });
    await server.stop();
    await rm(dataFolder, { recursive: true });
  });

  const mft = async (...args: string[]) => {
    const env = { ...server.env, MFT_HOME: dataFolder };
    const result = await execa(process.execPath, [cli, 'phone', ...args], {
      env,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    });
    return { out: result.stdout, err: result.stderr, code: result.exitCode };
  };
  const shell = async (serial: string, command: string) => await server.adb('-s', serial, 'shell', command);
  const lives = (pid: number) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };

  test('mft phone start, list, fault, stop', async () => {
    const started = await mft(
      'start',
      '--name',
      'shelf-1',
      '--profile',
      'galaxy-a52',
      '--battery',
      '33',
      '--unplugged',
      '--json',
    );
    expect(started.err).toBe('');
    const { phone } = JSON.parse(started.out) as { phone: PhoneRecord };
    expect(phone).toMatchObject({
      name: 'shelf-1',
      profile: 'galaxy-a52',
      make: 'emulated',
      abi: hostAbi,
      alive: true,
    });
    expect(await server.adb('devices')).toContain(`${phone.serial}\tdevice`);
    expect(await shell(phone.serial, 'cat /sys/class/power_supply/battery/capacity')).toBe('33');
    expect((await mft('list')).out).toMatch(
      new RegExp(`^${phone.serial} +shelf-1 +running +emulated +galaxy-a52`, 'm'),
    );
    expect((await mft('start', '--name', 'shelf-1')).code).toBe(2);
    expect((await mft('fault', 'battery', '--percent', '8')).code).toBe(0);
    expect(await shell(phone.serial, 'dumpsys battery | grep level:')).toContain('8');
    expect((await mft('fault', 'heat', '--phone', 'nobody')).code).toBe(2);
    expect((await mft('stop')).code).toBe(0);
    expect(lives(phone.pid)).toBe(false);
    expect(JSON.parse((await mft('list', '--json')).out)).toEqual({ phones: [] });
    expect(await server.adb('devices')).not.toContain(phone.serial);
  });

  test('its files can be kept', async () => {
    const first = await launchPhone({ name: 'kept' }, { dataFolder });
    await server.adb('connect', first.serial);
    await shell(first.serial, 'echo remembered >/data/local/tmp/note; settings put system x 7');
    await stopPhone('kept', { dataFolder, keep: true });
    const second = await launchPhone({ name: 'kept' }, { dataFolder });
    await server.adb('connect', second.serial);
    expect(await shell(second.serial, 'cat /data/local/tmp/note; settings get system x')).toBe(
      'remembered\n7',
    );
    await stopPhone('kept', { dataFolder });
  });

  test('a phone whose process was killed is seen as dead, and stop ends what it left', async () => {
    const phone = await launchPhone({ name: 'victim' }, { dataFolder });
    await server.adb('connect', phone.serial);
    await server.adb(
      '-s',
      phone.serial,
      'push',
      await buildProbe(hostAbi, dataFolder),
      '/data/local/tmp/probe',
    );
    const orphan = Number(
      await shell(phone.serial, 'setsid /data/local/tmp/probe hold 600 </dev/null >/dev/null 2>&1 & echo $!'),
    );
    expect(lives(orphan)).toBe(true);
    process.kill(phone.pid, 'SIGKILL');
    await eventually(async () => listPhones({ dataFolder })[0]?.alive === false, 'it is dead');
    await expect(faultPhone('victim', 'plug', {}, { dataFolder })).rejects.toThrow('has died');
    expect(lives(orphan)).toBe(true);
    await stopPhone('victim', { dataFolder });
    expect(lives(orphan)).toBe(false);
    expect(listPhones({ dataFolder })).toEqual([]);
  });

  test('errors have words', async () => {
    await expect(launchPhone({ profile: 'nokia-3310' }, { dataFolder })).rejects.toThrow(
      'no phone profile "nokia-3310"',
    );
    await expect(launchPhone({ name: '../x' }, { dataFolder })).rejects.toThrow("can't be a phone's name");
    await expect(launchPhone({ port: 5555 }, { dataFolder })).rejects.toThrow('5555-5585');
    await expect(stopPhone('nobody', { dataFolder })).rejects.toThrow(/No virtual phone/);
    expect(listPhones({ dataFolder })).toEqual([]);
  });
});
