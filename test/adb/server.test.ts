import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AdbDevice, AdbServer, type DeviceInfo, selectDevice } from '../../src/adb/index.ts';
import { startPhone } from '../../src/phone/index.ts';
import { freePort, startAdbServer } from '../support/adb-server.ts';
import { type Rig, startRig, testMake } from '../support/rig.ts';

let rig: Rig;
let device: AdbDevice;
beforeAll(async () => {
  rig = await startRig();
  ({ device } = rig);
});
afterAll(() => rig?.stop());

test('a local server that does not run is started', async () => {
  const port = await freePort();
  const env = { ...rig.adb.env, ANDROID_ADB_SERVER_PORT: String(port) };
  try {
    // Two at the same time, as two programs would.
    const [one, two] = await Promise.all([AdbServer.connect({ env }), AdbServer.connect({ env })]);
    expect(one.address).toEqual({ host: '127.0.0.1', port });
    expect(await one.version()).toBeGreaterThanOrEqual(41);
    expect(await two.devices()).toEqual([]);
    await expect(selectDevice(one)).rejects.toMatchObject({ code: 'adb.no-device' });
  } finally {
    await execa('adb', ['-P', String(port), 'kill-server'], { env, extendEnv: false });
  }
});

test('the device list and the features', async () => {
  const info = await device.info();
  expect(info).toMatchObject({ serial: rig.phone.serial, state: 'device' });
  expect(info?.transportId).toBeGreaterThan(0);
  const features = await device.features();
  expect(features.has('shell_v2') && features.has('stat_v2')).toBe(true);
  expect((await selectDevice(rig.server)).serial).toBe(rig.phone.serial);
  expect(await rig.server.device('nobody').info()).toBeUndefined();
  await expect(rig.server.device('nobody').exec(['true'])).rejects.toMatchObject({
    code: 'adb.device-not-found',
  });
});

test('connecting to nothing is an error with the words of adb', async () => {
  const port = await freePort();
  await expect(rig.server.connectDevice(`127.0.0.1:${port}`)).rejects.toMatchObject({
    code: 'adb.connect-failed',
    exit: 3,
  });
  expect(await rig.server.disconnectDevice(`127.0.0.1:${port}`)).toBe(false);
});

test('tracking sees a phone go and come, and survives the server', async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  const tracking = (async () => {
    for await (const devices of rig.server.track(controller.signal)) seen.push(summary(devices));
  })();
  const here = `${rig.phone.serial} device`;
  await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe(here);
  await rig.server.disconnectDevice(rig.phone.serial);
  await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe('');
  await rig.server.connectDevice(rig.phone.serial);
  await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe(here);
  await rig.adb.kill();
  await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe('');
  await device.reconnect({ timeoutMs: 20_000 });
  await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe(here);
  controller.abort();
  await tracking;
});

function summary(devices: DeviceInfo[]): string {
  return devices.map(({ serial, state }) => `${serial} ${state}`).join();
}

test('stopping a tracking loop closes its connection', async () => {
  for await (const devices of rig.server.track()) {
    expect(devices.length).toBe(1);
    break;
  }
});

test('waiting for a state: until it is there, or the deadline', async () => {
  expect((await device.waitFor('device', { timeoutMs: 5000 })).state).toBe('device');
  await expect(device.waitFor('recovery', { timeoutMs: 300 })).rejects.toMatchObject({ code: 'adb.timeout' });
  await expect(device.waitFor('recovery', { signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow(
    'left',
  );
});

test('an abstract socket that nobody listens on is refused, with its name', async () => {
  await expect(device.openAbstract('mft-nobody')).rejects.toMatchObject({
    code: 'adb.socket-refused',
    message: expect.stringContaining('mft-nobody'),
  });
});

test('reconnect heals a lost transport, waits out a phone that refuses, and gives up in time', async () => {
  await rig.phone.fault('disconnect');
  await device.reconnect({ timeoutMs: 20_000 });
  expect((await device.exec(['true'])).exitCode).toBe(0);
  await rig.phone.fault('refuse', { seconds: 2 });
  await rig.phone.fault('disconnect');
  await sleep(100);
  const start = Date.now();
  await device.reconnect({ timeoutMs: 30_000 });
  expect(Date.now() - start).toBeGreaterThan(1000);
  await rig.phone.fault('refuse');
  await rig.phone.fault('disconnect');
  await expect(device.reconnect({ timeoutMs: 1500 })).rejects.toMatchObject({ code: 'adb.timeout', exit: 6 });
  await rig.phone.fault('clear');
  await device.reconnect({ timeoutMs: 30_000 });
});

test('what was started with setsid goes on without the transport; what was not ends with it', async () => {
  const ticks = (name: string) => `/data/local/tmp/ticks-${name}`;
  const loop = 'i=0; while [ $i -lt 600 ]; do echo x >> "$1"; sleep 0.1; i=$((i+1)); done';
  const detach = 'setsid sh -c "$2" sh "$1" < /dev/null > /dev/null 2>&1 & echo started';
  const start = Date.now();
  await device.exec(['sh', '-c', detach, 'sh', ticks('detached'), loop]);
  expect(Date.now() - start).toBeLessThan(10_000);
  const attached = device.exec(['sh', '-c', loop, 'sh', ticks('attached')]).catch((error: unknown) => error);
  await expect.poll(() => device.stat(ticks('attached'))).toBeDefined();
  await rig.phone.fault('disconnect');
  expect(await attached).toMatchObject({ code: 'adb.transport-lost' });
  await device.reconnect({ timeoutMs: 20_000 });
  await sleep(2500);
  const sizes = async () =>
    Promise.all(['detached', 'attached'].map(async (name) => (await device.stat(ticks(name)))?.size ?? 0));
  const before = await sizes();
  await sleep(1000);
  const after = await sizes();
  expect(after[0]).toBeGreaterThan(before[0] ?? 0);
  expect(after[1]).toBe(before[1]);
});

test.each(['adbd-restart', 'reboot'] as const)('a phone comes back after %s', async (fault) => {
  const { transportId } = (await device.info()) ?? {};
  const running = device.exec(['sleep', '60']).catch((error: unknown) => error);
  await sleep(300);
  await rig.phone.fault(fault);
  expect(await running).toMatchObject({ code: 'adb.transport-lost' });
  await device.reconnect({ timeoutMs: 30_000 });
  expect((await device.exec(['echo', 'back'])).stdout.toString()).toBe('back\n');
  expect((await device.info())?.transportId).not.toBe(transportId);
});

test('the same serial on two servers are two addresses', async () => {
  const other = await startAdbServer();
  try {
    await rig.phone.connect(other.port);
    const server = await AdbServer.connect({ port: other.port, env: other.env });
    const twin = server.device(rig.phone.serial);
    expect(twin.serial).toBe(device.serial);
    expect(twin.address).not.toEqual(device.address);
    expect(`${twin}`).not.toBe(`${device}`);
    await server.disconnectDevice(twin.serial);
    await expect(twin.exec(['true'])).rejects.toMatchObject({
      code: 'adb.device-not-found',
      message: expect.stringContaining(`:${other.port}`),
    });
    expect((await device.exec(['echo', 'mine'])).stdout.toString()).toBe('mine\n');
  } finally {
    await other.stop();
  }
});

test('two phones at once: each is asked for itself, and one must be chosen', async () => {
  const second = await startPhone({ make: testMake() });
  try {
    await second.connect(rig.adb.port);
    await device.push(Buffer.from('first'), '/data/local/tmp/whose');
    await rig.server.device(second.serial).push(Buffer.from('second'), '/data/local/tmp/whose-2');
    await expect(selectDevice(rig.server)).rejects.toMatchObject({
      code: 'adb.several-devices',
      message: expect.stringContaining(second.serial),
    });
    expect((await selectDevice(rig.server, second.serial)).serial).toBe(second.serial);
    expect((await device.exec(['cat', '/data/local/tmp/whose'])).stdout.toString()).toBe('first');
  } finally {
    await rig.server.disconnectDevice(second.serial);
    await second.stop();
  }
});
