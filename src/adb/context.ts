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

const DEFAULT_STALL_MS = 60_000;

/** No byte moved for too long: a network that went away does not say so. */
class Stalled extends Error {}

/**
 * Runs `work` on a sync connection; it calls `alive` whenever bytes moved. A connection that breaks or stalls is
 * `adb.transport-lost`; what adbd refuses stays AdbFail.
 */
export async function withSync<T>(
  device: DeviceContext,
  what: string,
  options: { signal?: AbortSignal | undefined; stallMs?: number | undefined },
  work: (wire: Wire, alive: () => void) => Promise<T>,
): Promise<T> {
  const { signal, stallMs = DEFAULT_STALL_MS } = options;
  const wire = await device.openService('sync:', signal);
  const release = wire.abortOn(signal);
  const stalled = () => wire.socket.destroy(new Stalled(`no byte moved for ${stallMs / 1000} s`));
  const timer = setTimeout(stalled, stallMs);
  try {
    return await work(wire, () => timer.refresh());
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (isBroken(error, wire)) throw transportLost(device.address, what, error);
    throw error;
  } finally {
    clearTimeout(timer);
    release();
    wire.close();
  }
}

/** The stream's own failures, as against those of a local file or of the phone's answer. */
function isBroken(error: unknown, wire: Wire): boolean {
  if (!(error instanceof Error) || error instanceof AdbFail) return false;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNRESET' || code === 'EPIPE' || error.name === 'PrematureEOFError') return true;
  if (error instanceof Stalled) return true;
  return wire.socket.destroyed && error.message === 'the connection was closed';
}
