import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, MftError } from '../base/errors.ts';
import { AdbDevice, type WireServer } from './device.ts';
import { parseDeviceList } from './device-list.ts';
import { isLocal, serverAddress } from './endpoint.ts';
import { AdbFail, formatServer, serverTooOld, serverUnreachable } from './errors.ts';
import { startServer } from './start-server.ts';
import type { DeviceInfo, ServerAddress, ServerOptions, WaitOptions } from './types.ts';
import { Wire } from './wire.ts';

/** What mft uses of the server; each is negotiated between server and phone, so the server must know it. */
const REQUIRED_FEATURES = ['shell_v2', 'stat_v2'] as const;
const CONNECT_TIMEOUT_MS = 15_000;
const QUERY_TIMEOUT_MS = 15_000;

/** An adb server, local or remote. Holds no connection; every request opens its own. */
export class AdbServer implements WireServer {
  readonly address: ServerAddress;
  readonly #options: ServerOptions;
  #starting: Promise<void> | undefined;

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.address = serverAddress(options);
  }

  /**
   * Makes sure that a usable server answers; a local one that does not run is started.
   * @throws `adb.not-found`, `adb.server-unreachable`, `adb.server-too-old` (exit 3)
   */
  static async connect(options: ServerOptions = {}): Promise<AdbServer> {
    const server = new AdbServer(options);
    const wait = options.signal ? { signal: options.signal } : {};
    const version = await server.version(wait);
    const features = await server.features(wait);
    const missing = REQUIRED_FEATURES.filter((feature) => !features.has(feature));
    if (missing.length > 0) throw serverTooOld(server.address, version, missing);
    return server;
  }

  /** ANDROID_SERIAL, the phone that adb itself would take when none is named. */
  get preferredSerial(): string | undefined {
    return (this.#options.env ?? process.env).ANDROID_SERIAL || undefined;
  }

  /** The server's protocol version (41 since platform-tools 28.0.1). */
  async version(options: WaitOptions = {}): Promise<number> {
    return Number.parseInt(await this.#query('host:version', options), 16);
  }

  /** The ADB features of the server itself; empty for one that is too old to be asked. */
  async features(options: WaitOptions = {}): Promise<ReadonlySet<string>> {
    try {
      const text = await this.#query('host:host-features', options);
      return new Set(text.split(',').filter(Boolean));
    } catch (error) {
      // An old server takes an unknown host service for a device service and says FAIL.
      if (error instanceof AdbFail) return new Set();
      throw error;
    }
  }

  async devices(options: WaitOptions = {}): Promise<DeviceInfo[]> {
    return parseDeviceList(await this.#query('host:devices-l', options));
  }

  device(serial: string): AdbDevice {
    return new AdbDevice(this, serial);
  }

  /**
   * The device list, now and after every change, until the signal fires or the consumer stops. A server that goes away
   * gives an empty list and is sought again (a local one restarted) with growing pauses.
   * @throws only what can't heal, e.g. `adb.not-found`
   */
  async *track(signal?: AbortSignal): AsyncGenerator<DeviceInfo[], void, void> {
    const options = signal ? { signal } : {};
    let shown: string | undefined;
    let pause = 100;
    while (!signal?.aborted) {
      let wire: Wire | undefined;
      let release = () => {};
      try {
        wire = await this.open('host:track-devices', signal);
        release = wire.abortOn(signal);
        for (;;) {
          await wire.value();
          pause = 100;
          const devices = await this.devices(options);
          const now = JSON.stringify(devices);
          if (now === shown) continue;
          shown = now;
          yield devices;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (error instanceof MftError && error.code !== 'adb.server-unreachable') throw error;
      } finally {
        release();
        wire?.close();
      }
      if (shown !== undefined && shown !== '[]') {
        shown = '[]';
        yield [];
      }
      await sleep(pause, undefined, options).catch(() => {});
      pause = Math.min(pause * 2, 5000);
    }
  }

  /** `adb connect`. @throws `adb.connect-failed` with the server's words */
  async connectDevice(hostPort: string, options: WaitOptions = {}): Promise<void> {
    const said = await this.#query(`host:connect:${hostPort}`, {
      timeoutMs: CONNECT_TIMEOUT_MS,
      ...options,
    }).catch((error: unknown) => {
      if (error instanceof AdbFail) return error.message;
      throw error;
    });
    // The server answers OKAY to a connection that failed, too.
    if (/^(already )?connected to /.test(said)) return;
    throw new MftError(`can't connect to ${hostPort}: ${said}`, {
      code: 'adb.connect-failed',
      exit: ExitCode.device,
      suggestions: [
        'Is wireless debugging on, and is the phone in the same network?',
        `Android 11 and newer must be paired once: adb pair HOST:PAIRING_PORT`,
      ],
    });
  }

  /** `adb disconnect`. False when the server did not know the phone. */
  async disconnectDevice(hostPort: string, options: WaitOptions = {}): Promise<boolean> {
    try {
      await this.#query(`host:disconnect:${hostPort}`, options);
      return true;
    } catch (error) {
      if (error instanceof AdbFail && /no such device/i.test(error.message)) return false;
      throw error;
    }
  }

  /** For devices: a new connection on which `service` was answered with OKAY. @throws AdbFail when it was not */
  async open(service: string, signal?: AbortSignal): Promise<Wire> {
    const wire = await this.#dial(signal);
    const release = wire.abortOn(signal);
    try {
      await wire.request(service);
      return wire;
    } catch (error) {
      wire.close();
      if (signal?.aborted) throw signal.reason;
      if (error instanceof AdbFail || error instanceof RangeError) throw error;
      throw serverUnreachable(this.address, error);
    } finally {
      release();
    }
  }

  async #query(service: string, options: WaitOptions): Promise<string> {
    const timer = AbortSignal.timeout(options.timeoutMs ?? QUERY_TIMEOUT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, timer]) : timer;
    let wire: Wire | undefined;
    try {
      wire = await this.open(service, signal);
      const release = wire.abortOn(signal);
      try {
        return (await wire.value()).toString();
      } finally {
        release();
      }
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (error instanceof AdbFail || error instanceof MftError || error instanceof RangeError) throw error;
      throw serverUnreachable(this.address, error);
    } finally {
      wire?.close();
    }
  }

  async #dial(signal: AbortSignal | undefined): Promise<Wire> {
    try {
      return await Wire.dial(this.address, signal);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (!(error instanceof Error && 'code' in error)) throw error;
      const refused = error.code === 'ECONNREFUSED';
      if (!refused || !isLocal(this.address.host)) throw serverUnreachable(this.address, error);
    }
    const failure = await this.#start().then(
      () => undefined,
      (error: unknown) => error,
    );
    // Whoever starts one at the same moment makes our attempt fail ("Address already in use"): then theirs will do.
    for (let attempts = failure === undefined ? 1 : 10; ; attempts -= 1) {
      try {
        return await Wire.dial(this.address, signal);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (attempts <= 1) throw failure ?? serverUnreachable(this.address, error);
        await sleep(100);
      }
    }
  }

  /** Once for all who find it missing at the same time. */
  #start(): Promise<void> {
    this.#starting ??= startServer(this.address, this.#options).finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  toString(): string {
    return formatServer(this.address);
  }
}
