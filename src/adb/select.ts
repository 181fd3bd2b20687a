import { ExitCode, MftError } from '../base/errors.ts';
import type { AdbDevice } from './device.ts';
import { deviceNotFound, deviceNotReady } from './errors.ts';
import type { AdbServer } from './server.ts';
import type { DeviceInfo, WaitOptions } from './types.ts';

/**
 * The phone a command is for: the one asked for, else ANDROID_SERIAL's, else the only usable one.
 * @throws `adb.no-device`, `adb.several-devices`, `adb.unauthorized`, `adb.offline` ...: what to do, what to tap
 */
export async function selectDevice(
  server: AdbServer,
  named?: string,
  options: WaitOptions = {},
): Promise<AdbDevice> {
  const requested = named ?? server.preferredSerial;
  const devices = await server.devices(options);
  const usable = devices.filter(({ state }) => state === 'device');
  const candidates = requested === undefined ? usable : devices.filter(({ serial }) => serial === requested);
  if (candidates.length > 1) throw severalDevices(candidates);
  const chosen = candidates[0] ?? (requested === undefined ? devices[0] : undefined);
  if (chosen === undefined)
    throw requested === undefined ? noDevice(server) : unknown(server, requested, devices);
  const device = server.device(chosen.serial);
  if (chosen.state !== 'device') throw deviceNotReady(device.address, chosen);
  return device;
}

function severalDevices(devices: readonly DeviceInfo[]): MftError {
  const lines = devices.map(
    ({ serial, model }) => `  ${serial}${model ? `  ${model.replaceAll('_', ' ')}` : ''}`,
  );
  return new MftError(`${devices.length} devices are connected:\n${lines.join('\n')}`, {
    code: 'adb.several-devices',
    exit: ExitCode.device,
    suggestions: devices.map(({ serial }) => `--device ${serial}`),
  });
}

function noDevice(server: AdbServer): MftError {
  return new MftError(`no phone is connected (adb server ${server})`, {
    code: 'adb.no-device',
    exit: ExitCode.device,
    suggestions: [
      'Connect a phone by USB, with "USB debugging" on: Settings > About phone, tap "Build number" seven times; then Developer options.',
      'Over the network: adb connect HOST:PORT',
      'Without a phone: mft phone start',
    ],
  });
}

function unknown(server: AdbServer, requested: string, devices: readonly DeviceInfo[]): MftError {
  const error = deviceNotFound({ server: server.address, serial: requested });
  const known = devices.map(({ serial, stateText }) => `${serial} (${stateText})`).join(', ');
  return new MftError(`${error.message}; ${known ? `there is ${known}` : 'none is connected'}`, {
    code: error.code,
    exit: error.exit,
    suggestions: error.suggestions,
  });
}
