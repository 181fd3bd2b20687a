import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import type { DeviceAddress, DeviceInfo, DeviceState, ServerAddress } from './types.ts';

/** The server (or adbd behind it) answered FAIL; the message is its own. */
export class AdbFail extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AdbFail';
  }
}

export function formatServer(address: ServerAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** `SERIAL`, and where its server is when that is not the usual one. */
export function formatDevice(address: DeviceAddress): string {
  const { server, serial } = address;
  const usual = server.host === '127.0.0.1' && server.port === 5037;
  return usual ? serial : `${serial} (adb server ${formatServer(server)})`;
}

function installHint(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return 'Install it: brew install --cask android-platform-tools';
  if (platform === 'win32') return 'Install it: winget install Google.PlatformTools';
  return 'Install it: sudo apt install adb   (Fedora: sudo dnf install android-tools; Arch: sudo pacman -S android-tools)';
}

export function adbNotFound(platform: NodeJS.Platform = process.platform, tried?: string): MftError {
  const what =
    tried === undefined ? 'adb was not found on PATH or in ANDROID_HOME' : `there is no adb at ${tried}`;
  return new MftError(`${what}, and no adb server is running`, {
    code: 'adb.not-found',
    exit: ExitCode.device,
    suggestions: [
      installHint(platform),
      'If it is installed elsewhere, name it: --adb PATH, or the environment variable ADB.',
      'Or use a server that runs elsewhere: ADB_SERVER_SOCKET=tcp:HOST:5037.',
    ],
  });
}

export function serverUnreachable(address: ServerAddress, cause: unknown): MftError {
  return new MftError(`no adb server answers at ${formatServer(address)}: ${messageOf(cause)}`, {
    code: 'adb.server-unreachable',
    exit: ExitCode.device,
    cause,
    suggestions: [
      `Start it: adb -P ${address.port} start-server`,
      'A server on another machine must listen for others: adb -a -P 5037 nodaemon server',
      'Check ADB_SERVER_SOCKET, ANDROID_ADB_SERVER_ADDRESS and ANDROID_ADB_SERVER_PORT.',
    ],
  });
}

export function serverTooOld(address: ServerAddress, version: number, missing: readonly string[]): MftError {
  return new MftError(
    `the adb server at ${formatServer(address)} is too old (protocol version ${version}; it lacks ${missing.join(', ')})`,
    {
      code: 'adb.server-too-old',
      exit: ExitCode.device,
      suggestions: [
        `Stop it: adb -P ${address.port} kill-server`,
        'Install platform-tools 29 or newer, then try again.',
        'Another tool (an emulator, an IDE) may have started it with its own old adb.',
      ],
    },
  );
}

/** The stream to the phone ended before its proper end. Not a result of the program: nothing is known about that. */
export function transportLost(address: DeviceAddress, what: string, cause?: unknown): MftError {
  return new MftError(`contact to ${formatDevice(address)} was lost during ${what}`, {
    code: 'adb.transport-lost',
    exit: ExitCode.lostContact,
    ...(cause === undefined ? {} : { cause }),
    suggestions: ['Check the cable or the network, then try again; a run on the phone goes on meanwhile.'],
  });
}

export function timedOut(address: DeviceAddress, what: string, timeoutMs: number): MftError {
  return new MftError(`${what} on ${formatDevice(address)} took longer than ${timeoutMs / 1000} s`, {
    code: 'adb.timeout',
    exit: ExitCode.lostContact,
  });
}

const STATE_HINTS: Partial<Record<DeviceState, string[]>> = {
  unauthorized: [
    'Unlock the phone and tap "Allow" on "Allow USB debugging?" (tick "Always allow from this computer").',
    'No question on the screen? Developer options > "Revoke USB debugging authorizations", then plug in again.',
  ],
  authorizing: ['The phone is asking: unlock it and tap "Allow" on "Allow USB debugging?".'],
  offline: [
    'Unlock the phone, unplug it and plug it in again.',
    'Still offline? Developer options: switch "USB debugging" off and on; then: adb reconnect offline',
  ],
  connecting: ['It is still connecting: wait a few seconds and try again.'],
  recovery: ['The phone is in recovery: choose "Reboot system now" with the volume and power keys.'],
  rescue: ['The phone is in rescue mode: choose "Reboot system now" with the volume and power keys.'],
  sideload: ['The phone is in sideload mode: choose "Reboot system now" with the volume and power keys.'],
  bootloader: ['The phone is in its bootloader: fastboot reboot'],
  'no-permissions': [
    'This user may not open the USB device. Debian, Ubuntu: sudo apt install android-sdk-platform-tools-common, and join the group plugdev.',
    'Then: adb kill-server, and plug the phone in again.',
  ],
};

/** What to tap, for a phone that is connected but can't be used. */
export function stateHints(state: DeviceState): string[] {
  return STATE_HINTS[state] ?? ['Unplug the phone and plug it in again.'];
}

/** `adb.unauthorized`, `adb.offline`, `adb.recovery` ...: connected, but not usable. */
export function deviceNotReady(
  address: DeviceAddress,
  info: Pick<DeviceInfo, 'state' | 'stateText'>,
): MftError {
  const state = info.state === 'authorizing' ? 'unauthorized' : info.state;
  return new MftError(`${formatDevice(address)} can't be used: it is ${info.stateText}`, {
    code: `adb.${state}`,
    exit: ExitCode.device,
    suggestions: stateHints(info.state),
  });
}

export function deviceNotFound(address: DeviceAddress): MftError {
  return new MftError(`no device ${formatDevice(address)} is connected`, {
    code: 'adb.device-not-found',
    exit: ExitCode.device,
    suggestions: ['See what is connected: mft devices', 'A phone on the network: adb connect HOST:PORT'],
  });
}

/** FAIL of `host:transport:` and `host-serial:`, worded by transport.cpp (acquire_one_transport). */
export function transportRefused(address: DeviceAddress, message: string): MftError {
  const states: [RegExp, DeviceState][] = [
    [/unauthorized/i, 'unauthorized'],
    [/still authorizing/i, 'authorizing'],
    [/still connecting/i, 'connecting'],
    [/offline/i, 'offline'],
    [/no permissions|insufficient permissions/i, 'no-permissions'],
  ];
  if (/not found|no devices/i.test(message)) return deviceNotFound(address);
  const found = states.find(([pattern]) => pattern.test(message));
  if (found) return deviceNotReady(address, { state: found[1], stateText: found[1] });
  return new MftError(`the adb server can't reach ${formatDevice(address)}: ${message}`, {
    code: 'adb.refused',
    exit: ExitCode.device,
    suggestions: ['See what is connected: mft devices'],
  });
}

/** Errors after which contact may come back by itself or by `AdbDevice.reconnect`. */
export function isContactLoss(error: unknown): boolean {
  if (!(error instanceof MftError)) return false;
  return [
    'adb.transport-lost',
    'adb.device-not-found',
    'adb.offline',
    'adb.connecting',
    'adb.server-unreachable',
    'adb.timeout',
  ].includes(error.code);
}
