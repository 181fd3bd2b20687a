import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { type Abi, type Make, type Phone, type PhoneOptions, startPhone } from '../../src/phone/index.ts';
import { startAdbServer, type TestAdbServer } from '../support/adb-server.ts';

export interface ShellResult {
  out: string;
  err: string;
  code: number;
}

/** A phone, an adb server of its own, and a folder on the host: what a test needs at hand. */
export class Bench {
  readonly phone: Phone;
  readonly server: TestAdbServer;
  readonly folder: string;

  constructor(phone: Phone, server: TestAdbServer, folder: string) {
    this.phone = phone;
    this.server = server;
    this.folder = folder;
  }

  static async start(options: PhoneOptions): Promise<Bench> {
    const server = await startAdbServer();
    const folder = await mkdtemp(join(tmpdir(), 'mft-bench-'));
    try {
      const phone = await startPhone(options);
      await phone.connect(server.port);
      return new Bench(phone, server, folder);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.phone.stop();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The arguments of an adb call for this phone. */
  arguments(...args: string[]): string[] {
    return ['-P', String(this.server.port), '-s', this.phone.serial, ...args];
  }

  async adb(...args: string[]): Promise<ShellResult> {
    const result = await execa('adb', this.arguments(...args), {
      env: this.server.env,
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
      stripFinalNewline: false,
    });
    return { out: result.stdout, err: result.stderr, code: result.exitCode ?? -1 };
  }

  /** A command of the phone's shell, with standard input. */
  async shell(command: string, input: string | Uint8Array = ''): Promise<ShellResult> {
    const result = await execa('adb', this.arguments('shell', '-T', command), {
      env: this.server.env,
      extendEnv: false,
      input,
      reject: false,
      stripFinalNewline: false,
    });
    return { out: result.stdout, err: result.stderr, code: result.exitCode ?? -1 };
  }

  /** Bytes of `adb exec-out`. */
  async execOut(command: string): Promise<Buffer> {
    const { stdout } = await execa('adb', this.arguments('exec-out', command), {
      env: this.server.env,
      extendEnv: false,
      stdin: 'ignore',
      encoding: 'buffer',
      reject: false,
      stripFinalNewline: false,
      maxBuffer: 2 ** 30,
    });
    return Buffer.from(stdout);
  }

  /** An adb call that goes on until it is killed or ends by itself. */
  background(...args: string[]) {
    return execa('adb', this.arguments(...args), {
      env: this.server.env,
      extendEnv: false,
      stdin: 'pipe',
      reject: false,
    });
  }

  async reconnect(): Promise<void> {
    await eventually(async () => {
      await this.server.adb('connect', this.phone.serial);
      return (await this.shell('echo up')).out.trim() === 'up';
    }, 'the phone is back');
  }

  /** Whether a process of the phone's is alive, asked on the phone. */
  async alive(pid: string): Promise<boolean> {
    const { out } = await this.shell(`kill -0 ${pid} 2>/dev/null && echo alive || echo dead`);
    return out.trim() === 'alive';
  }
}

export async function eventually(
  condition: () => Promise<boolean>,
  what: string,
  seconds = 20,
): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(50)) {
    if (await condition().catch(() => false)) return;
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

const compilers: Record<Abi, string[]> = {
  x86_64: process.arch === 'x64' ? ['cc'] : ['x86_64-linux-gnu-gcc'],
  'arm64-v8a': process.arch === 'arm64' ? ['cc'] : ['aarch64-linux-gnu-gcc'],
};

/** Compiles the probe for an ABI. */
export async function buildProbe(abi: Abi, folder: string): Promise<string> {
  const output = join(folder, `probe-${abi}`);
  const [compiler = 'cc'] = compilers[abi];
  await execa(compiler, ['-static', '-O1', '-o', output, join(import.meta.dirname, 'probe.c')]);
  return output;
}

export const hostAbi: Abi = process.arch === 'arm64' ? 'arm64-v8a' : 'x86_64';
export const otherAbi: Abi = hostAbi === 'x86_64' ? 'arm64-v8a' : 'x86_64';

/** The runtime as built for an ABI, if it has been built. */
export function runtimeOf(abi: Abi): string | undefined {
  const root = join(import.meta.dirname, '../..');
  const builds: Record<Abi, string> = { x86_64: 'linux-x86_64-static', 'arm64-v8a': 'linux-arm64-static' };
  const places = [
    join(root, 'dist/runtime', abi, 'mft-runtime'),
    join(root, 'build', builds[abi], 'main/mft-runtime'),
  ];
  return places.find((place) => existsSync(place));
}

export type { Make };
