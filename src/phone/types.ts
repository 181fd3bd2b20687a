/** What a virtual phone is to those who use it: the same for both makes. */

/** `emulated`: our own adbd in TypeScript. `real`: AOSP's adbd in namespaces (root and Debian's apt needed). */
export type Make = 'emulated' | 'real';
export const makes: readonly Make[] = ['emulated', 'real'];

/** Android's names of instruction sets. */
export type Abi = 'x86_64' | 'arm64-v8a';
export const abis: readonly Abi[] = ['x86_64', 'arm64-v8a'];

export interface PhoneOptions {
  make?: Make;
  /** A name from `profileNames()`: `pixel-8`, `galaxy-a52`, `redmi-note-14`. Default `pixel-8`. */
  profile?: string;
  /** Default: the host's own. */
  abi?: Abi;
  /** [a-z0-9][a-z0-9-]{0,31}; default: a fresh one. */
  name?: string;
  /** The processor that qemu plays when the ABI is not the host's: `cortex-a53`, `cortex-a76`, `max`, ... Default `max`. */
  cpu?: string;
  /** Folder of the phone's own files; default: a new temporary one, deleted by `stop`. A given one is kept. */
  home?: string;
  /** TCP port on 127.0.0.1; default: a free one outside 5555-5585 (which adb scans for emulators) and the ephemeral range. */
  port?: number;
  /** Seconds of battery and heat that pass in one second of the clock. Default 1. */
  timeScale?: number;
  /** Charge at the start, percent; default 80. */
  battery?: number;
  /** Whether a charger is connected at the start; default true (a phone on a USB cable). */
  charging?: boolean;
}

/**
 * What can go wrong with a phone, on request.
 * - `disconnect`: the transport drops; what adb started without setsid dies. adb may connect again at once.
 * - `stall`: no byte moves in either direction, connections stay open, until `clear` or for `seconds`.
 * - `refuse`: new connections are refused until `clear` or for `seconds`; open ones stay.
 * - `slow`: at most `bytesPerSecond` in each direction until `clear` or for `seconds`.
 * - `adbd-restart`: everything adbd ever started dies, setsid or not; adbd is back after `seconds` (default 1).
 * - `reboot`: the same, with a new boot id and uptime (default 3 s).
 * - `disk-full`: at most `bytes` (default 0) more can be written. The emulated make enforces it in what adbd and its shell write and
 *   in `df`; a pushed program writes to the host's disk and does not see it. The real make enforces it for everyone.
 * - `unplug`, `plug`: the charger.
 * - `battery`: sets the charge to `percent`. `heat`: sets both temperatures to `celsius`.
 * - `clear`: ends stall, refuse, slow and disk-full.
 */
export type FaultKind =
  | 'disconnect'
  | 'stall'
  | 'refuse'
  | 'slow'
  | 'adbd-restart'
  | 'reboot'
  | 'disk-full'
  | 'unplug'
  | 'plug'
  | 'battery'
  | 'heat'
  | 'clear';

export const faultKinds: readonly FaultKind[] = [
  'disconnect',
  'stall',
  'refuse',
  'slow',
  'adbd-restart',
  'reboot',
  'disk-full',
  'unplug',
  'plug',
  'battery',
  'heat',
  'clear',
];

export interface FaultOptions {
  seconds?: number;
  bytesPerSecond?: number;
  bytes?: number;
  percent?: number;
  celsius?: number;
}

export interface Phone {
  readonly make: Make;
  readonly name: string;
  readonly profile: string;
  readonly abi: Abi;
  /** TCP port on 127.0.0.1. */
  readonly port: number;
  /** `127.0.0.1:PORT`, the serial number under which adb knows it. */
  readonly serial: string;
  /** The folder on the host that is `/` to the phone. */
  readonly root: string;
  /** Connects an adb server (by its port on this host) to the phone and waits until it says `device`. */
  connect(adbServerPort: number): Promise<void>;
  /** Resolves when the fault is in effect; for `adbd-restart` and `reboot` when the phone accepts connections again. */
  fault(kind: FaultKind, options?: FaultOptions): Promise<void>;
  /** Ends it and every process it ever started. */
  stop(): Promise<void>;
}

/** A phone that runs as a process of its own, as `mft phone list` shows it. */
export interface PhoneRecord {
  name: string;
  make: Make;
  profile: string;
  abi: Abi;
  pid: number;
  port: number;
  serial: string;
  root: string;
  startedAt: string;
  /** False: its process has died; `stopPhone` cleans up after it. */
  alive: boolean;
}
