import type { mft } from '../protocol/index.ts';

/**
 * Where a run stands, as far as this host knows. `lost` and `recovering` are spells within `attached`; `detached` is a run
 * that goes on without a host; the last three are ends.
 */
export const runStates = [
  'planned',
  'deploying',
  'starting',
  'attached',
  'lost',
  'recovering',
  'detached',
  'finished',
  'failed',
  'stopped',
] as const;
export type RunState = (typeof runStates)[number];

export type RunTask = 'train' | 'generate' | 'evaluate' | 'chat';

/** What is known of a run before anything is done for it. */
export interface NewRun {
  task: RunTask;
  /** The id's first part; default: the model's name. */
  name?: string | undefined;
  model: string;
  /** `lora`, `full`, or none for tasks that train nothing. */
  method: string;
  /** Address of the phone: adb server `host:port` and serial. */
  server: string;
  serial: string;
  deviceName: string;
  abi: string;
  /** What was trained on, for people. */
  data: string;
  /** The resolved configuration as YAML. */
  config: string;
  mftVersion: string;
}

export interface RunRecord extends Required<Omit<NewRun, 'name'>> {
  id: string;
  state: RunState;
  createdMs: number;
  updatedMs: number;
  /** Serialized RunSpec. */
  spec: Uint8Array;
  /** Serialized DeviceFacts. */
  facts?: Uint8Array;
  runtimeVersion?: string;
  /** Files the run needs on the phone: hash and where they lie on the host, so that a deploy can be taken up again. */
  files: DeployFile[];
  /** Why it failed or was lost, for people. */
  reason?: string;
  /** `code` of the run's own Failed event, or of the host's. */
  failure?: string;
  /** Results are on the host, verified. */
  collected: boolean;
}

export interface DeployFile {
  sha256: string;
  path: string;
  bytes: number;
  /** "segment block.3", "runtime", ... */
  name: string;
}

export interface StoredEvent {
  attempt: number;
  sequence: number;
  event: mft.v1.Event;
}

/** What the host itself noted about a run: transitions of its state and warnings. */
export interface HostEvent {
  number: number;
  timeMs: number;
  kind: 'transition' | 'warning';
  /** The new state, or the warning's code: `determinism`, `host-ahead`, `journal-conflict`, ... */
  code: string;
  message: string;
}

export interface CurvePoint {
  step: number;
  attempt: number;
  /** As f32; its bits are the run's fingerprint. */
  loss: number;
}

export interface Artifact {
  kind: 'result' | 'export' | 'log';
  name: string;
  path: string;
  sha256: string;
  bytes: number;
}

export interface EventId {
  attempt: number;
  sequence: number;
}
