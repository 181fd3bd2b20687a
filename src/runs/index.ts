/** The host's record of runs. Other rooms import from here alone. */
export { type AppendOutcome, f32Bits, idOf } from './events.ts';
export { follow, isFollowed } from './followers.ts';
export { RUN_ID, slug } from './ids.ts';
export { type RawEvent, type RunPatch, type RunPlan, RunStore } from './store.ts';
export type {
  Artifact,
  CurvePoint,
  DeployFile,
  EventId,
  HostEvent,
  NewRun,
  RunRecord,
  RunState,
  RunTask,
  StoredEvent,
} from './types.ts';
export { runStates } from './types.ts';
