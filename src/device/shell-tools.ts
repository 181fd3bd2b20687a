import type { AdbDevice, WaitOptions } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';

/** Runs a program on the phone that has to succeed. @throws `device.command-failed` with its stderr */
export async function run(
  device: AdbDevice,
  argv: readonly string[],
  options: WaitOptions = {},
): Promise<string> {
  const result = await device.exec(argv, options);
  if (result.exitCode === 0) return result.stdout.toString();
  const said = result.stderr.toString().trim().slice(0, 2000) || `exit code ${result.exitCode}`;
  throw new MftError(`${argv[0]} failed on ${device}: ${said}`, {
    code: 'device.command-failed',
    exit: ExitCode.incapable,
  });
}

/** A script for the phone's shell; `args` reach it as $1, $2 ... and are never part of its text. */
export function script(text: string, ...args: string[]): string[] {
  return ['sh', '-c', text, 'mft', ...args];
}

/** The figures of `df -k PATH`. Long names of file systems wrap the line in old toolboxes, so columns count from `%`. */
export function parseDf(text: string): { freeBytes: number; totalBytes: number } | undefined {
  const words = text.split('\n').slice(1).join(' ').trim().split(/\s+/);
  const percent = words.findIndex((word) => /^\d+%$/.test(word));
  const [total, , free] = percent < 3 ? [] : words.slice(percent - 3, percent).map(Number);
  if (total === undefined || free === undefined || !Number.isFinite(total) || !Number.isFinite(free))
    return undefined;
  return { freeBytes: free * 1024, totalBytes: total * 1024 };
}

/** `/proc/meminfo`, in bytes. MemAvailable exists since Linux 3.14. */
export function parseMeminfo(text: string): { totalBytes: number; availableBytes: number } | undefined {
  const kilobytes = (key: string) => {
    const value = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return value === undefined ? undefined : Number(value) * 1024;
  };
  const totalBytes = kilobytes('MemTotal');
  const availableBytes = kilobytes('MemAvailable') ?? kilobytes('MemFree');
  return totalBytes === undefined || availableBytes === undefined
    ? undefined
    : { totalBytes, availableBytes };
}

/** `getprop` without arguments: `[key]: [value]`, where a value may go over several lines. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const entry of text.replaceAll('\r\n', '\n').split(/\n(?=\[)/)) {
    const [, key, value = ''] = /^\[([^\]\n]+)\]: \[([\s\S]*)\]\s*$/.exec(entry) ?? [];
    if (key !== undefined) properties.set(key, value);
  }
  return properties;
}
