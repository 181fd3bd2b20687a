import type { Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../test/support/adb-server.ts';
import { fail, fakeAdbServer, okay, type Script, usableServer } from '../../test/support/fake-adb-server.ts';
import { AdbServer, selectDevice } from './index.ts';
import { encodeShellPacket, ShellId } from './shell-v2.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function serve(script: Script): Promise<number> {
  const { port, stop } = await fakeAdbServer(script);
  cleanups.push(stop);
  return port;
}

/** A usable server whose phone answers programs with `reply`. */
async function deviceAnswering(reply: (socket: Socket) => void) {
  const port = await serve(
    usableServer((service, socket) => {
      if (!service.startsWith('shell,v2,raw:')) return false;
      okay(socket);
      reply(socket);
      return true;
    }),
  );
  return (await AdbServer.connect({ port })).device('PHONE1');
}

const out = (text: string) => encodeShellPacket(ShellId.stdout, Buffer.from(text));

test('a server without shell v2 is too old, and the error says its version and what to do', async () => {
  const port = await serve((service, socket) => {
    if (service === 'host:version') okay(socket, '001f');
    else fail(socket, 'unknown host service');
  });
  await expect(AdbServer.connect({ port })).rejects.toMatchObject({
    code: 'adb.server-too-old',
    exit: 3,
    message: expect.stringMatching(/version 31.*shell_v2, stat_v2/),
    suggestions: expect.arrayContaining([expect.stringContaining('platform-tools')]),
  });
});

test('a server that knows shell v2 but no 64-bit stat is too old', async () => {
  const port = await serve(
    usableServer((service, socket) => {
      if (service !== 'host:host-features') return false;
      okay(socket, 'cmd,shell_v2');
      return true;
    }),
  );
  await expect(AdbServer.connect({ port })).rejects.toMatchObject({
    code: 'adb.server-too-old',
    message: expect.stringContaining('it lacks stat_v2'),
  });
});

test('no server and no adb: what to install', async () => {
  const port = await freePort();
  await expect(AdbServer.connect({ port, env: { PATH: '/nowhere' } })).rejects.toMatchObject({
    code: 'adb.not-found',
    exit: 3,
    suggestions: [expect.stringMatching(/^Install it: /), expect.anything(), expect.anything()],
  });
  await expect(AdbServer.connect({ port, adbPath: '/nowhere/adb' })).rejects.toMatchObject({
    code: 'adb.not-found',
    message: expect.stringContaining('/nowhere/adb'),
  });
});

test('an adb that can not start a server: its own words', async () => {
  const port = await freePort();
  await expect(AdbServer.connect({ port, adbPath: '/bin/false' })).rejects.toMatchObject({
    code: 'adb.server-unreachable',
    exit: 3,
  });
});

test('a remote server is never started from here', async () => {
  const started = AdbServer.connect({ host: 'mft-no-such-host.invalid', port: 1, adbPath: '/bin/false' });
  await expect(started).rejects.toMatchObject({ code: 'adb.server-unreachable', exit: 3 });
});

test('something else listens on the port', async () => {
  const port = await serve((_service, socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await expect(AdbServer.connect({ port })).rejects.toMatchObject({
    code: 'adb.server-unreachable',
    message: expect.stringContaining('not an adb server'),
  });
});

test('a server that accepts and says nothing is given up', async () => {
  const port = await serve(() => {});
  const server = AdbServer.connect({ port, signal: AbortSignal.timeout(300) });
  await expect(server).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('the exit code is the exit packet', async () => {
  const device = await deviceAnswering((socket) =>
    socket.write(Buffer.concat([out('hi'), encodeShellPacket(ShellId.exit, Buffer.from([3]))])),
  );
  const result = await device.exec(['true']);
  expect(result.exitCode).toBe(3);
  expect(result.stdout.toString()).toBe('hi');
});

test.each([
  ['ends cleanly', (socket: Socket) => void socket.end(out('half'))],
  ['ends inside a packet', (socket: Socket) => void socket.end(out('half').subarray(0, 7))],
  ['ends with half an exit packet', (socket: Socket) => void socket.end(Buffer.from([3, 1, 0, 0, 0]))],
  ['ends at once', (socket: Socket) => void socket.end()],
  ['is reset', (socket: Socket) => void socket.resetAndDestroy()],
])('a stream that %s without an exit packet is lost contact, never 0', async (_how, reply) => {
  const device = await deviceAnswering(reply);
  const lost = { code: 'adb.transport-lost', exit: 6 };
  await expect(device.exec(['true'])).rejects.toMatchObject(lost);
  const program = await device.execStream(['true']).catch((error: unknown) => error);
  if (program instanceof Error) return expect(program).toMatchObject(lost);
  const { stdout, exit } = program as Awaited<ReturnType<typeof device.execStream>>;
  await expect(stdout.toArray()).rejects.toMatchObject(lost);
  await expect(exit).rejects.toMatchObject(lost);
});

test('a stream that is not the shell protocol is not taken for output', async () => {
  const device = await deviceAnswering((socket) => void socket.write('Permission denied\n'));
  await expect(device.exec(['true'])).rejects.toMatchObject({ code: 'adb.transport-lost' });
});

test('a phone without shell v2 is refused with words, not run without exit codes', async () => {
  const port = await serve(
    usableServer((service, socket) => {
      if (service !== 'host-serial:PHONE1:features') return false;
      okay(socket, 'cmd,stat_v2');
      return true;
    }),
  );
  const device = (await AdbServer.connect({ port })).device('PHONE1');
  await expect(device.exec(['true'])).rejects.toMatchObject({
    code: 'adb.device-too-old',
    exit: 4,
    message: expect.stringContaining('shell_v2'),
  });
});

test('a sync record over the limit is refused before it is allocated', async () => {
  const port = await serve((service, socket) => {
    if (service === 'sync:') {
      okay(socket);
      socket.removeAllListeners('data');
      socket.once('data', () => socket.write(Buffer.from('FAIL\xff\xff\xff\x7f', 'latin1')));
    } else usableServer(() => false)(service, socket);
  });
  const device = (await AdbServer.connect({ port })).device('PHONE1');
  await expect(device.stat('/data/x')).rejects.toThrow(/2147483647 bytes/);
});

const LISTS = {
  none: '',
  one: 'A device transport_id:1\n',
  several: 'A device model:Pixel_8 transport_id:1\nB device transport_id:2\n',
  unauthorized: 'A unauthorized transport_id:1\n',
  offline: 'A offline transport_id:1\n',
  mixed: 'A offline transport_id:1\nB device transport_id:2\n',
};

async function listing(list: string, env: NodeJS.ProcessEnv = {}): Promise<AdbServer> {
  const port = await serve(
    usableServer((service, socket) => {
      if (service !== 'host:devices-l') return false;
      okay(socket, list);
      return true;
    }),
  );
  return AdbServer.connect({ port, env });
}

test('selectDevice: the only one, the one asked for, the only usable one', async () => {
  expect((await selectDevice(await listing(LISTS.one))).serial).toBe('A');
  expect((await selectDevice(await listing(LISTS.several), 'B')).serial).toBe('B');
  expect((await selectDevice(await listing(LISTS.mixed))).serial).toBe('B');
  const env = { ANDROID_SERIAL: 'B' };
  expect((await selectDevice(await listing(LISTS.several, env))).serial).toBe('B');
  expect((await selectDevice(await listing(LISTS.several, env), 'A')).serial).toBe('A');
});

test('selectDevice: errors say what to do', async () => {
  await expect(selectDevice(await listing(LISTS.none))).rejects.toMatchObject({
    code: 'adb.no-device',
    exit: 3,
  });
  await expect(selectDevice(await listing(LISTS.several))).rejects.toMatchObject({
    code: 'adb.several-devices',
    exit: 3,
    message: expect.stringMatching(/A {2}Pixel 8\n {2}B/),
    suggestions: ['--device A', '--device B'],
  });
  await expect(selectDevice(await listing(LISTS.unauthorized))).rejects.toMatchObject({
    code: 'adb.unauthorized',
    suggestions: expect.arrayContaining([expect.stringMatching(/tap "Allow"/)]),
  });
  await expect(selectDevice(await listing(LISTS.offline))).rejects.toMatchObject({
    code: 'adb.offline',
    suggestions: expect.arrayContaining([expect.stringMatching(/unplug/i)]),
  });
  await expect(selectDevice(await listing(LISTS.mixed), 'A')).rejects.toMatchObject({ code: 'adb.offline' });
  await expect(selectDevice(await listing(LISTS.one), 'Z')).rejects.toMatchObject({
    code: 'adb.device-not-found',
    message: expect.stringContaining('A (device)'),
  });
});
