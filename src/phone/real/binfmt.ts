import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../base/errors.ts';
import type { Abi } from '../types.ts';
import { unavailable } from './unavailable.ts';

/**
 * Lets the kernel start programs of another instruction set through qemu (Documentation/admin-guide/binfmt-misc.rst). A registration
 * is the whole machine's. So one that is there is used; one of our own is shared by all phones of the machine and removed with the
 * last of them. Kernels since 6.7 drop it by themselves with the last mount of binfmt_misc, which phones have in their namespaces.
 */

/** ELF headers of executables, as qemu's own scripts/qemu-binfmt-conf.sh has them. */
const magics: Record<Abi, { machine: string; mask: string }> = {
  'arm64-v8a': { machine: 'b700', mask: 'ffffffffffffff00fffffffffffffffffeffffff' },
  x86_64: { machine: '3e00', mask: 'fffffffffffefe00fffffffffffffffffeffffff' },
};
const OWN = 'mft-';
const MOUNT = 'proc/sys/fs/binfmt_misc';
/** One folder a machine, whatever `MFT_HOME` is: the registration is the machine's too. */
const HOLDERS = '/run/mft/binfmt';

const magicOf = (abi: Abi) => `7f454c460201010000000000000000000200${magics[abi].machine}`;

/**
 * Makes sure that programs of an ABI run. To be called again when the phone is up: another may have been stopping at the same moment,
 * and have seen too late that it was not the last.
 * @param folder where binfmt_misc is mounted
 * @param holder pid of the process that keeps the phone's namespaces
 * @throws MftError if the kernel can't
 */
export function holdForeign(abi: Abi, qemu: string, root: string, holder: number): void {
  const folder = join(root, MOUNT);
  mkdirSync(HOLDERS, { recursive: true, mode: 0o755 });
  writeFileSync(join(HOLDERS, `${abi}-${holder}`), startTimeOf(holder) ?? '');
  if (isRegistered(folder, abi)) return;
  const escaped = (hex: string) => hex.replace(/../g, '\\x$&');
  const { mask } = magics[abi];
  try {
    // F: qemu is opened here and now, so that it need not be in the phone.
    writeFileSync(
      join(folder, 'register'),
      `:${OWN}${abi}:M::${escaped(magicOf(abi))}:${escaped(mask)}:${qemu}:F`,
    );
  } catch (error) {
    // Another phone was faster, or there is a disabled one of that name.
    if (isRegistered(folder, abi)) return;
    throw unavailable(`programs for ${abi} can't be registered with binfmt_misc: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Whether qemu is registered in a way that works in a phone, where it can't be found by its path. */
function isRegistered(folder: string, abi: Abi): boolean {
  return readdirSync(folder)
    .filter((name) => name !== 'register' && name !== 'status')
    .some((name) => {
      const text = read(join(folder, name));
      return (
        text.startsWith('enabled') && text.includes(`magic ${magicOf(abi)}`) && /^flags: .*F/m.test(text)
      );
    });
}

/**
 * Gives up what phones held: this one's, and those of phones that have died. Removes our registration when nobody needs it any
 * more.
 */
export async function releaseForeign(holder?: number): Promise<void> {
  const needed = new Set<string>();
  for (const name of list(HOLDERS)) {
    const [, abi = '', pid = ''] = /^(.*)-([0-9]+)$/.exec(name) ?? [];
    const path = join(HOLDERS, name);
    if (Number(pid) === holder || startTimeOf(Number(pid)) !== read(path)) rmSync(path, { force: true });
    else needed.add(abi);
  }
  const unneeded = Object.keys(magics).filter((abi) => !needed.has(abi));
  await execa('unshare', ['--mount', '--', '/bin/sh', '-c', removeScript, 'sh', ...unneeded], {
    reject: false,
    stdin: 'ignore',
  });
}

const removeScript = `
folder=/proc/sys/fs/binfmt_misc
[ -d "$folder" ] || exit 0
[ -e "$folder/register" ] || mount -t binfmt_misc binfmt_misc "$folder" || exit 0
for abi; do
  entry=$folder/${OWN}$abi
  # Looked at again: a phone may have come since.
  set -- ${HOLDERS}/"$abi"-*
  [ -e "$1" ] && continue
  [ -e "$entry" ] && echo -1 >"$entry"
done
exit 0
`;

function startTimeOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
