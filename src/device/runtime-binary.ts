import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Abi } from './types.ts';

/** e_machine of the ELF header. */
const ELF_MACHINE: Record<Abi, number> = { 'arm64-v8a': 183, x86_64: 62 };

/**
 * The runtime for phones of this ABI: `dist/runtime/<abi>/mft-runtime` of the package.
 * @throws `runtime.not-built`, `runtime.wrong-abi`
 */
export async function runtimeBinary(abi: Abi, root?: string): Promise<string> {
  const path = join(root ?? (await packageRoot()), 'dist', 'runtime', abi, 'mft-runtime');
  const header = Buffer.alloc(20);
  try {
    const file = await open(path);
    await file.read(header, 0, header.length, 0).finally(() => file.close());
  } catch (error) {
    throw new MftError(`the runtime for ${abi} is not built: there is no ${path}`, {
      code: 'runtime.not-built',
      exit: ExitCode.usage,
      cause: error,
      suggestions: [
        'In a checkout: npm run build:runtime',
        'Installed from npm it is included: install mft again.',
      ],
    });
  }
  const isElf = header.subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1'));
  if (isElf && header.readUInt16LE(18) === ELF_MACHINE[abi]) return path;
  throw new MftError(`${path} is not a program for ${abi}`, {
    code: 'runtime.wrong-abi',
    exit: ExitCode.usage,
    suggestions: ['Build it again: npm run build:runtime'],
  });
}

/** The folder of mft's own package.json: the same for the sources and for dist/. */
async function packageRoot(): Promise<string> {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}');
    const { name } = JSON.parse(text) as { name?: unknown };
    if (name === 'mft') return folder;
  }
  throw new Error('the package mft has lost its package.json');
}
