import { AdbFail, timedOut, transportLost } from './errors.ts';
import type { DeviceAddress, ExecOptions, ExecResult, RemoteStat, WaitOptions } from './types.ts';
import type { Wire } from './wire.ts';

/** What the transfers need of a device: its services, one connection each. */
export interface DeviceContext {
  readonly address: DeviceAddress;
  /** A connection to a service of the phone's adbd. @throws what the transport says; AdbFail when the service refuses. */
  openService(service: string, signal?: AbortSignal): Promise<Wire>;
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  stat(remote: string, options?: WaitOptions): Promise<RemoteStat | undefined>;
}

/** The caller's signal and a deadline as one signal; `explain` tells afterwards which of them it was. */
export function deadline(address: DeviceAddress, what: string, options: WaitOptions) {
  const timer = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs);
  const signals = [options.signal, timer].filter((signal) => signal !== undefined);
  const signal = signals.length === 0 ? undefined : AbortSignal.any(signals);
  const explain = (error: unknown): unknown => {
    if (options.signal?.aborted) return options.signal.reason;
    if (timer?.aborted) return timedOut(address, what, options.timeoutMs ?? 0);
    return error;
  };
  return { signal, explain };
}

/**
 * Runs `work` on a sync connection. A connection that breaks is `adb.transport-lost`; what adbd refuses stays AdbFail.
 */
export async function withSync<T>(
  device: DeviceContext,
  what: string,
  signal: AbortSignal | undefined,
  work: (wire: Wire) => Promise<T>,
): Promise<T> {
  const wire = await device.openService('sync:', signal);
  const release = wire.abortOn(signal);
  try {
    return await work(wire);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (isBroken(error, wire)) throw transportLost(device.address, what, error);
    throw error;
  } finally {
    release();
    wire.close();
  }
}

/** The stream's own failures, as against those of a local file or of the phone's answer. */
function isBroken(error: unknown, wire: Wire): boolean {
  if (!(error instanceof Error) || error instanceof AdbFail) return false;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNRESET' || code === 'EPIPE' || error.name === 'PrematureEOFError') return true;
  return wire.socket.destroyed && error.message === 'the connection was closed';
}
