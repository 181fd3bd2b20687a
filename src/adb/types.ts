import type { Duplex, Readable } from 'node:stream';
import type { ProgressReport } from '../base/progress.ts';

/** Where an adb server listens. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** A phone is addressed by (adb server, serial), never by the serial alone: farms use remote adb servers. */
export interface DeviceAddress {
  readonly server: ServerAddress;
  readonly serial: string;
}

/** `connectionStateName` of AOSP's transport.cpp; `no-permissions` is udev's refusal on Linux hosts. */
export type DeviceState =
  | 'device'
  | 'offline'
  | 'unauthorized'
  | 'authorizing'
  | 'connecting'
  | 'recovery'
  | 'rescue'
  | 'sideload'
  | 'bootloader'
  | 'no-permissions'
  | 'unknown';

/** One line of `adb devices -l`. */
export interface DeviceInfo {
  readonly serial: string;
  readonly state: DeviceState;
  /** The state as the server said it, e.g. `no permissions (user in plugdev group; ...)`. */
  readonly stateText: string;
  /** A new one for each connection of the same phone: a changed id means that the transport was lost in between. */
  readonly transportId?: number;
  readonly model?: string;
  readonly product?: string;
  readonly device?: string;
  readonly usb?: string;
}

export interface ServerOptions {
  /** Default: ADB_SERVER_SOCKET, ANDROID_ADB_SERVER_ADDRESS, else 127.0.0.1. */
  host?: string;
  /** Default: ADB_SERVER_SOCKET, ANDROID_ADB_SERVER_PORT, else 5037. */
  port?: number;
  /** The adb binary to start a local server with. Default: ADB, PATH, ANDROID_HOME/platform-tools. */
  adbPath?: string;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

export interface WaitOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface ExecOptions extends WaitOptions {
  /** Sent to the program, then its stdin is closed. Without it stdin is closed at once. */
  stdin?: Uint8Array | Readable;
  /** Bytes of stdout and stderr together before `adb.output-limit`; default 64 MiB. */
  maxOutput?: number;
}

export interface ExecResult {
  /** From the shell protocol's exit packet, nothing else. 128 + n: ended by signal n. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A program on the phone whose stdout is read as it comes. */
export interface ExecStream {
  readonly stdout: Readable;
  /** Settles with the exit packet; rejects with `adb.transport-lost` when the stream ended without one. */
  readonly exit: Promise<{ exitCode: number; stderr: Buffer }>;
  /** Closes the stream; adbd then ends the program (HUP, then PIPE). `exit` rejects. */
  kill(): void;
}

export interface TransferOptions {
  signal?: AbortSignal;
  onProgress?: (report: ProgressReport) => void;
  /** The transfer counts as lost when no byte moved for this long; default 60 s. */
  stallMs?: number;
}

export interface PushOptions extends TransferOptions {
  /** Permission bits of the remote file, exactly these afterwards; default 0644. */
  mode?: number;
  /** Default: now. */
  mtime?: Date;
  /** Hash the file on the phone before it gets its name. A string: it must be this one (64 hex digits). */
  sha256?: boolean | string;
}

export interface PullOptions extends TransferOptions {
  /** Compare with the phone's own hash of the file. A string: it must be this one (64 hex digits). */
  sha256?: boolean | string;
}

export interface TransferResult {
  readonly bytes: number;
  /** Hex, of the bytes that went over the wire. */
  readonly sha256: string;
}

export interface RemoteStat {
  /** Type and permission bits, as st_mode. */
  readonly mode: number;
  /** Bytes; exact to 2^53. */
  readonly size: number;
  readonly mtime: Date;
  readonly uid: number;
  readonly gid: number;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/** Why a socket to the phone ended. A stream's end alone says neither. */
export type CloseCause = 'closed-by-peer' | 'transport-lost';

/** A connection to a socket on the phone. */
export interface DeviceSocket {
  readonly stream: Duplex;
  /** After the stream ended: asks the adb server whether the phone is still there on the same transport. */
  closeCause(): Promise<CloseCause>;
}

/** What a device needs of its server. */
export interface DeviceServer {
  readonly address: ServerAddress;
  devices(options?: WaitOptions): Promise<DeviceInfo[]>;
  track(signal?: AbortSignal): AsyncGenerator<DeviceInfo[], void, void>;
  connectDevice(hostPort: string, options?: WaitOptions): Promise<void>;
  disconnectDevice(hostPort: string, options?: WaitOptions): Promise<boolean>;
  version(options?: WaitOptions): Promise<number>;
}
