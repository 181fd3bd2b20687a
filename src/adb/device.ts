import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, MftError } from '../base/errors.ts';
import { type DeviceContext, deadline, withSync } from './context.ts';
import {
  AdbFail,
  deviceNotFound,
  deviceNotReady,
  formatDevice,
  isContactLoss,
  transportLost,
  transportRefused,
} from './errors.ts';
import { pullFile } from './pull.ts';
import { pushFile } from './push.ts';
import { commandLine } from './quote.ts';
import { collect, expectFailure, shellOutputs, stream } from './shell.ts';
import { RemoteErrno, syncStat } from './sync.ts';
import type {
  CloseCause,
  DeviceAddress,
  DeviceInfo,
  DeviceServer,
  DeviceSocket,
  DeviceState,
  ExecOptions,
  ExecResult,
  ExecStream,
  PullOptions,
  PushOptions,
  RemoteStat,
  TransferResult,
  WaitOptions,
} from './types.ts';
import type { Wire } from './wire.ts';

const DEFAULT_MAX_OUTPUT = 64 << 20;
/** How long the server may take to notice that a transport is gone after a stream on it ended. */
const SETTLE_MS = 300;
/** A phone that is there shakes hands and runs `true` within this time. */
const HANDSHAKE_MS = 5000;
/** After this, `unauthorized` means that somebody must tap. */
const AUTHORIZE_MS = 5000;
const ON_ITS_WAY: ReadonlySet<DeviceState> = new Set(['unauthorized', 'authorizing', 'connecting']);

/** A server that also opens connections; this much stays inside the folder. */
export interface WireServer extends DeviceServer {
  /** A new connection on which the server answered `service` with OKAY. */
  open(service: string, signal?: AbortSignal): Promise<Wire>;
}

/** One phone at one adb server. Cheap: holds no connection; every operation opens its own. */
export class AdbDevice {
  readonly server: DeviceServer;
  readonly serial: string;
  readonly #server: WireServer;
  readonly #context: DeviceContext;
  #features: Set<string> | undefined;

  constructor(server: WireServer, serial: string) {
    this.server = server;
    this.#server = server;
    this.serial = serial;
    this.#context = {
      address: this.address,
      openService: (service, signal) => this.#openService(service, signal),
      exec: (argv, options) => this.exec(argv, options),
      stat: (remote, options) => this.stat(remote, options),
    };
  }

  get address(): DeviceAddress {
    return { server: this.#server.address, serial: this.serial };
  }

  /** For people: the serial, with its server when that is not the usual one. */
  toString(): string {
    return formatDevice(this.address);
  }

  /** Wi-Fi and virtual phones: the serial is an address that `adb connect` takes. */
  get isTcp(): boolean {
    return /^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/.test(this.serial);
  }

  /** The ADB features that this phone and server have in common (`shell_v2`, `stat_v2`, ...). */
  async features(options: WaitOptions = {}): Promise<ReadonlySet<string>> {
    if (this.#features === undefined) {
      const text = await this.#hostSerial('features', options);
      this.#features = new Set(text.split(',').filter(Boolean));
    }
    return this.#features;
  }

  /** This phone's line of the device list; `undefined` when the server does not know it. */
  async info(options: WaitOptions = {}): Promise<DeviceInfo | undefined> {
    return (await this.#server.devices(options)).find((device) => device.serial === this.serial);
  }

  /**
   * Runs a program to its end. No shell reads `argv`: every element arrives as it is.
   * @throws `adb.transport-lost` when the stream ended without an exit packet: never a made-up exit code
   */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const program = argv[0] ?? '';
    expectFailure(options.stdin);
    const { signal, explain } = deadline(this.address, program, options);
    try {
      const wire = await this.#openShell(argv, signal);
      const release = wire.abortOn(signal);
      try {
        const outputs = shellOutputs(wire, options.stdin, (cause) => this.#lost(program, cause));
        return await collect(outputs, program, options.maxOutput ?? DEFAULT_MAX_OUTPUT);
      } finally {
        release();
      }
    } catch (error) {
      throw explain(error);
    }
  }

  /** Starts a program and gives its stdout as a stream under back-pressure. The signal closes it at any time. */
  async execStream(
    argv: readonly string[],
    options: Pick<ExecOptions, 'stdin' | 'signal'> = {},
  ): Promise<ExecStream> {
    const program = argv[0] ?? '';
    expectFailure(options.stdin);
    const wire = await this.#openShell(argv, options.signal);
    const release = wire.abortOn(options.signal);
    wire.socket.once('close', release);
    const lost = (cause?: unknown) =>
      options.signal?.aborted ? options.signal.reason : this.#lost(program, cause);
    return stream(shellOutputs(wire, options.stdin, lost), wire);
  }

  /** @throws `adb.transport-lost`, `adb.push-refused`, `adb.push-corrupt`, `device.disk-full` */
  push(
    source: string | Uint8Array | Readable,
    remote: string,
    options: PushOptions = {},
  ): Promise<TransferResult> {
    return pushFile(this.#context, source, remote, options);
  }

  /** @throws `adb.transport-lost`, `adb.pull-refused`, `adb.pull-corrupt`, `adb.pull-incomplete` */
  pull(remote: string, local: string, options: PullOptions = {}): Promise<TransferResult> {
    return pullFile(this.#context, remote, local, options);
  }

  /** `undefined` when there is no such file. Sizes over 4 GiB are true. Follows links. */
  async stat(remote: string, options: WaitOptions = {}): Promise<RemoteStat | undefined> {
    await this.#require('stat_v2', options);
    const { signal, explain } = deadline(this.address, `stat ${remote}`, options);
    try {
      return await withSync(this.#context, `stat ${remote}`, { signal }, (wire) => syncStat(wire, remote));
    } catch (error) {
      if (error instanceof RemoteErrno || error instanceof AdbFail) {
        throw new MftError(`can't look at ${remote} on ${this}: ${error.message}`, {
          code: 'adb.stat-refused',
          exit: ExitCode.incapable,
          cause: error,
        });
      }
      throw explain(error);
    }
  }

  /**
   * Connects to an abstract socket on the phone.
   * @throws `adb.socket-refused` when nobody listens there
   */
  async openAbstract(name: string, options: WaitOptions = {}): Promise<DeviceSocket> {
    const { signal, explain } = deadline(this.address, `opening ${name}`, options);
    try {
      const before = await this.info(options);
      const wire = await this.#openService(`localabstract:${name}`, signal).catch(async (error: unknown) => {
        // 'closed' is all that adbd says; it is also what a transport that just went away looks like.
        if (!(error instanceof AdbFail)) throw error;
        if (!(await this.#isStill(before))) throw this.#lost(`opening ${name}`, error);
        throw this.#socketRefused(name, error);
      });
      const closeCause = async (): Promise<CloseCause> =>
        (await this.#isStill(before)) ? 'closed-by-peer' : 'transport-lost';
      return { stream: wire.socket, closeCause };
    } catch (error) {
      throw explain(error);
    }
  }

  /** Waits until the server reports this state (`device`: usable). @throws `adb.timeout`, or the signal's reason */
  async waitFor(state: DeviceState, options: WaitOptions = {}): Promise<DeviceInfo> {
    const { signal, explain } = deadline(this.address, `waiting for state ${state}`, options);
    for await (const devices of this.#server.track(signal)) {
      const info = devices.find((device) => device.serial === this.serial);
      if (info?.state === state) return info;
    }
    throw explain(deviceNotFound(this.address));
  }

  /**
   * Brings a lost phone back: a serial that is an address is connected again (a server that was restarted has forgotten
   * it; one that still lists it may hold a dead connection), any other is waited for.
   * @throws `adb.timeout`, the signal's reason, or what can't heal by itself (`adb.unauthorized`)
   */
  async reconnect(options: WaitOptions = {}): Promise<void> {
    this.#features = undefined;
    const { signal, explain } = deadline(this.address, 'reconnecting', options);
    try {
      if (!this.isTcp) {
        await this.waitFor('device', signal ? { signal } : {});
        return;
      }
      const since = Date.now();
      for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) {
        if (await this.#reconnectOnce(signal, since)) return;
        await sleep(pause, undefined, signal ? { signal } : {});
      }
    } catch (error) {
      throw explain(error);
    }
  }

  async #reconnectOnce(signal: AbortSignal | undefined, since: number): Promise<boolean> {
    const options = signal ? { signal } : {};
    try {
      const info = await this.info(options);
      if (info?.state === 'device' && (await this.#answers(options))) return true;
      // On its way: a key that the phone knows is accepted within a moment. One that it does not know needs a person.
      if (info?.state === 'unauthorized' && Date.now() - since > AUTHORIZE_MS)
        throw deviceNotReady(this.address, info);
      if (info !== undefined && ON_ITS_WAY.has(info.state)) return false;
      if (info !== undefined) await this.#server.disconnectDevice(this.serial, options);
      await this.#server.connectDevice(this.serial, options);
      await this.waitFor('device', { ...options, timeoutMs: HANDSHAKE_MS });
      return await this.#answers(options);
    } catch (error) {
      if (signal?.aborted) throw error;
      if (isContactLoss(error) || (error instanceof MftError && error.code === 'adb.connect-failed'))
        return false;
      throw error;
    }
  }

  /** Asks the phone itself: the server may list one whose connection is dead. */
  async #answers(options: WaitOptions): Promise<boolean> {
    try {
      return (await this.exec(['true'], { ...options, timeoutMs: HANDSHAKE_MS })).exitCode === 0;
    } catch (error) {
      if (!options.signal?.aborted && isContactLoss(error)) return false;
      throw error;
    }
  }

  async #isStill(before: DeviceInfo | undefined): Promise<boolean> {
    for (const pause of [0, SETTLE_MS]) {
      await sleep(pause);
      const now = await this.info({ timeoutMs: 5000 }).catch(() => undefined);
      if (now?.state !== 'device' || now.transportId !== before?.transportId) return false;
    }
    return true;
  }

  #lost(what: string, cause?: unknown): MftError {
    return transportLost(this.address, what, cause);
  }

  #socketRefused(name: string, cause: unknown): MftError {
    return new MftError(`nobody listens on the socket ${name} of ${this}`, {
      code: 'adb.socket-refused',
      exit: ExitCode.lostContact,
      cause,
    });
  }

  async #openShell(argv: readonly string[], signal: AbortSignal | undefined): Promise<Wire> {
    const command = `shell,v2,raw:${commandLine(argv)}`;
    if (Buffer.byteLength(command) > 0xffff) {
      throw new MftError(`the command line of ${argv[0]} is over 64 KiB`, {
        code: 'adb.command-too-long',
        exit: ExitCode.internal,
      });
    }
    await this.#require('shell_v2', signal ? { signal } : {});
    try {
      return await this.#openService(command, signal);
    } catch (error) {
      throw error instanceof AdbFail ? this.#lost(argv[0] ?? '', error) : error;
    }
  }

  async #require(feature: 'shell_v2' | 'stat_v2', options: WaitOptions): Promise<void> {
    if ((await this.features(options)).has(feature)) return;
    throw new MftError(`${this} is too old: its adbd lacks ${feature}`, {
      code: 'adb.device-too-old',
      exit: ExitCode.incapable,
      suggestions: ['mft needs Android 10 or newer on the phone, and platform-tools 29 or newer here.'],
    });
  }

  /** AdbFail is the service's refusal; a refusal of the transport itself is an MftError. */
  async #openService(service: string, signal: AbortSignal | undefined): Promise<Wire> {
    const wire = await this.#open(`host:transport:${this.serial}`, signal);
    const release = wire.abortOn(signal);
    try {
      await wire.request(service);
      return wire;
    } catch (error) {
      wire.close();
      if (error instanceof AdbFail) throw error;
      throw signal?.aborted ? signal.reason : this.#lost(`opening ${service.split(':', 1)[0]}`, error);
    } finally {
      release();
    }
  }

  async #open(service: string, signal: AbortSignal | undefined): Promise<Wire> {
    try {
      return await this.#server.open(service, signal);
    } catch (error) {
      if (!(error instanceof AdbFail)) throw error;
      const info = await this.info({ timeoutMs: 5000 }).catch(() => undefined);
      if (info !== undefined && info.state !== 'device') throw deviceNotReady(this.address, info);
      throw transportRefused(this.address, error.message);
    }
  }

  async #hostSerial(command: string, options: WaitOptions): Promise<string> {
    const { signal, explain } = deadline(this.address, command, options);
    try {
      const wire = await this.#open(`host-serial:${this.serial}:${command}`, signal);
      const release = wire.abortOn(signal);
      try {
        return (await wire.value()).toString();
      } finally {
        release();
        wire.close();
      }
    } catch (error) {
      throw explain(error);
    }
  }
}
