import type { AdbDevice, WaitOptions } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import { parseDf, parseMeminfo, parseProperties, run } from './shell-tools.ts';
import type { Abi, DeviceProfile } from './types.ts';

/** Where adb may write and execute; /sdcard is mounted noexec. */
export const DEVICE_TMP = '/data/local/tmp';

/** The ABIs with a runtime in the package. */
export const RUNTIME_ABIS: readonly Abi[] = ['arm64-v8a', 'x86_64'];

/** @throws `device.unsupported-abi` (exit 4), `device.unreadable` */
export async function deviceProfile(device: AdbDevice, options: WaitOptions = {}): Promise<DeviceProfile> {
  const [properties, meminfo, df] = await Promise.all([
    run(device, ['getprop'], options).then(parseProperties),
    run(device, ['cat', '/proc/meminfo'], options).then(parseMeminfo),
    run(device, ['df', '-k', DEVICE_TMP], options).then(parseDf),
  ]);
  if (meminfo === undefined) throw unreadable(device, '/proc/meminfo');
  if (df === undefined) throw unreadable(device, `df -k ${DEVICE_TMP}`);
  const property = (key: string) => properties.get(key)?.trim() ?? '';
  const abis = (property('ro.product.cpu.abilist') || property('ro.product.cpu.abi'))
    .split(',')
    .filter(Boolean);
  return {
    serial: device.serial,
    manufacturer: property('ro.product.manufacturer') || 'unknown',
    model: property('ro.product.model') || 'unknown',
    androidVersion: property('ro.build.version.release') || 'unknown',
    sdk: Number.parseInt(property('ro.build.version.sdk'), 10) || 0,
    abis,
    abi: chooseAbi(device, abis),
    memTotalBytes: meminfo.totalBytes,
    memAvailableBytes: meminfo.availableBytes,
    diskFreeBytes: df.freeBytes,
    diskTotalBytes: df.totalBytes,
  };
}

/** The phone's own order counts: an x86_64 emulator that also translates arm64 runs x86_64. */
function chooseAbi(device: AdbDevice, abis: readonly string[]): Abi {
  for (const name of abis) {
    const abi = RUNTIME_ABIS.find((known) => known === name);
    if (abi !== undefined) return abi;
  }
  throw new MftError(
    `${device} runs ${abis.join(', ') || 'an unknown instruction set'}; mft has runtimes for ${RUNTIME_ABIS.join(' and ')}`,
    {
      code: 'device.unsupported-abi',
      exit: ExitCode.incapable,
      suggestions: ['Use a phone with a 64-bit system (32-bit Android can run on 64-bit processors, too).'],
    },
  );
}

function unreadable(device: AdbDevice, what: string): MftError {
  return new MftError(`can't make sense of ${what} on ${device}`, {
    code: 'device.unreadable',
    exit: ExitCode.incapable,
    suggestions: [
      'Please report it with the output of: adb shell df -k /data/local/tmp; adb shell cat /proc/meminfo',
    ],
  });
}
