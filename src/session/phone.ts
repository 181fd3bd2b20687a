import type { DeviceSocket } from '../adb/index.ts';
import type { Operation } from '../base/progress.ts';
import type { mft } from '../protocol/index.ts';
import type { EventId, RawEvent, RunRecord } from '../runs/index.ts';

/** What a session needs of a phone. `connectPhone` makes one of a real device; errors are those of `src/adb`. */
export interface RunPhone {
  /** For people. */
  readonly name: string;
  /** Pushes what the device store lacks, then the run's token and specification. Whole or not at all; may be repeated. */
  deploy(run: RunRecord, token: Uint8Array, operation: Operation): Promise<void>;
  /** What the phone is, as the deployed runtime sees it. */
  facts(run: RunRecord): Promise<mft.v1.DeviceFacts>;
  /** How the run is, by the phone's word. */
  status(run: RunRecord): Promise<mft.v1.RunStatus>;
  /** Starts the runtime, unless it runs. It goes on from the newest checkpoint by itself. */
  start(run: RunRecord, minAttempt: number): Promise<void>;
  /** The journal of a run that nobody serves any more. */
  journal(run: RunRecord, after: EventId | undefined): AsyncIterable<RawEvent[]>;
  /** A connection to the runtime. */
  connect(run: RunRecord): Promise<DeviceSocket>;
  /** The end of the runtime's own log. */
  logTail(run: RunRecord): Promise<string>;
  /** Pulls a file below the run's folder; it appears only when whole, with this hash. */
  pull(run: RunRecord, path: string, local: string, sha256: string, operation: Operation): Promise<number>;
  /** Waits until the phone answers again, connecting anew where that is possible. */
  reconnect(options: { signal?: AbortSignal; timeoutMs: number }): Promise<void>;
}
