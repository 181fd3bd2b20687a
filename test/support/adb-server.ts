import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** An adb server of a test's own: never the usual one, never another test's. */
export interface TestAdbServer {
  readonly port: number;
  /** For programs that a test starts: leads them to this server and nowhere else. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs the adb command line against this server. */
  adb(...args: string[]): Promise<string>;
  /** `adb kill-server`: whoever uses the server loses it. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port. */
  start(): Promise<void>;
  /** Ends it for good and deletes its folder. */
  stop(): Promise<void>;
}

/**
 * A port on 127.0.0.1 that nobody listens on at this moment: below the range of outgoing connections (32768 and up), so
 * that it is still free when a server comes back to it, and far from those that adb scans for emulators (5555-5585).
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) =>
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    );
    if (!free) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

/**
 * Starts an adb server. Its keys and its log are in a folder of its own, it does not scan for emulators (it would find
 * those of tests that run at the same time) and does not look for phones in the network.
 */
export async function startAdbServer(): Promise<TestAdbServer> {
  const home = await mkdtemp(join(tmpdir(), 'mft-adb-'));
  const port = await freePort();
  const {
    ADB_SERVER_SOCKET: _socket,
    ANDROID_ADB_SERVER_ADDRESS: _address,
    ANDROID_SERIAL: _serial,
    ...rest
  } = process.env;
  const env: NodeJS.ProcessEnv = {
    ...rest,
    HOME: home,
    TMPDIR: home,
    ANDROID_USER_HOME: home,
    ANDROID_ADB_SERVER_PORT: String(port),
    ADB_LOCAL_TRANSPORT_MAX_PORT: '5553',
    ADB_MDNS: '0',
  };
  const adb = async (...args: string[]) => {
    const result = await execa('adb', ['-P', String(port), ...args], {
      env,
      extendEnv: false,
      stdin: 'ignore',
    });
    return result.stdout;
  };
  const kill = async () => {
    // A server that is gone already is what was wanted.
    await adb('kill-server').catch(() => {});
  };
  await adb('start-server');
  return {
    port,
    env,
    adb,
    kill,
    start: async () => void (await adb('start-server')),
    stop: async () => {
      await kill();
      await rm(home, { recursive: true, force: true });
    },
  };
}
