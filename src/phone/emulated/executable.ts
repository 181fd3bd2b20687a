import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { ExitCode, MftError } from '../../base/errors.ts';
import type { Abi } from '../types.ts';

/** How a file of the phone's is to be started. */
export type Executable =
  | { kind: 'native'; command: string; prefix: string[] }
  | { kind: 'script'; text: string }
  /** mksh's words for why not, with exit code 126. */
  | { kind: 'refused'; reason: string };

const machines: Record<number, Abi> = { 62: 'x86_64', 183: 'arm64-v8a' };
const hostAbis: Record<string, Abi> = { x64: 'x86_64', arm64: 'arm64-v8a' };
const qemus: Record<Abi, string[]> = {
  x86_64: ['qemu-x86_64-static', 'qemu-x86_64'],
  'arm64-v8a': ['qemu-aarch64-static', 'qemu-aarch64'],
};
/** A script longer than this is not one. */
const MAX_SCRIPT = 1024 * 1024;

/** The host's own ABI. @throws MftError on other hosts */
export function hostAbi(): Abi {
  const abi = hostAbis[process.arch];
  if (process.platform === 'linux' && abi !== undefined) return abi;
  throw new MftError(
    `Virtual phones run on Linux (x86-64, arm64), this is ${process.platform} ${process.arch}.`,
    {
      code: 'phone.host-unsupported',
      exit: ExitCode.usage,
      suggestions: ['Use a physical phone, or start the virtual phone on a Linux machine.'],
    },
  );
}

/** The qemu that runs programs of an ABI on this host; undefined if they run directly. @throws MftError if there is none */
export function qemuFor(abi: Abi): string | undefined {
  if (abi === hostAbi()) return undefined;
  const found = qemus[abi].map(onPath).find((path) => path !== undefined);
  if (found !== undefined) return found;
  throw new MftError(`A phone of ABI ${abi} on this host needs ${qemus[abi][0]}, which is not on PATH.`, {
    code: 'phone.no-qemu',
    exit: ExitCode.usage,
    suggestions: [
      'Install it: apt-get install qemu-user-static',
      `Or start the phone with --abi ${hostAbi()}.`,
    ],
  });
}

/** How programs of an ABI are run on this host: directly, or through qemu. */
export class Launcher {
  readonly #abi: Abi;
  readonly #qemu: string | undefined;
  readonly #cpu: string;

  /** @throws MftError if this host can't run the ABI */
  constructor(abi: Abi, cpu: string) {
    this.#abi = abi;
    this.#cpu = cpu;
    this.#qemu = qemuFor(abi);
  }

  /** @param argv0 the name the program is to see itself under */
  inspect(host: string, argv0: string): Executable {
    const stat = statSync(host);
    if (stat.isDirectory()) return { kind: 'refused', reason: "can't execute: Is a directory" };
    if (!stat.isFile() || !isExecutable(host))
      return { kind: 'refused', reason: "can't execute: Permission denied" };
    const head = headOf(host);
    if (head.toString('latin1', 0, 4) === '\x7fELF') {
      const machine = head.length >= 20 ? machines[head.readUInt16LE(18)] : undefined;
      if (machine !== this.#abi || head[4] !== 2) {
        return { kind: 'refused', reason: `not executable: ${head[4] === 1 ? 32 : 64}-bit ELF file` };
      }
      if (this.#qemu === undefined) return { kind: 'native', command: host, prefix: [] };
      return { kind: 'native', command: this.#qemu, prefix: ['-cpu', this.#cpu, '-0', argv0, host] };
    }
    if (stat.size > MAX_SCRIPT || head.includes(0))
      return { kind: 'refused', reason: 'not executable: magic 7F45' };
    return { kind: 'script', text: readFileSync(host, 'utf8') };
  }
}

function isExecutable(path: string): boolean {
  return (statSync(path).mode & 0o111) !== 0;
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(64);
  const fd = openSync(path, 'r');
  try {
    return head.subarray(0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}

function onPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder === '' || !existsSync(path)) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not for us
    }
  }
  return undefined;
}
