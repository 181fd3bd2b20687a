/** The life of a run: plan, deploy, launch, attach, replay, steer, collect. Other rooms import from here alone. */
export { LinkLost, SessionClient } from './client.ts';
export { adapterDropout, type Collected, collect, collectedPaths } from './collect.ts';
export { type ControlAction, controlActions, newControl } from './control.ts';
export { DevicePhone } from './device-phone.ts';
export { collectGarbage, type GarbageReport } from './gc.ts';
export { isEnd, leftState, mayRun } from './machine.ts';
export { endOf, failedError, isLost, type SessionEnd } from './outcome.ts';
export type { RunPhone } from './phone.ts';
export {
  type ChatRequest,
  type ChoicesRequest,
  type EvaluateRequest,
  type GenerateRequest,
  planChat,
  planChoices,
  planEvaluation,
  planGeneration,
  planTraining,
  type TrainRequest,
} from './plan.ts';
export { describeSpec, previewFacts, previewTraining, type TrainingPreview } from './preview.ts';
export { scoredQuestions, writeScores } from './scores.ts';
export { RunSession, type SessionOptions, SessionOver } from './session.ts';
export { type ChoiceOptions, DEVICE_PREFIX, type SamplingOptions } from './spec.ts';
export { steerRun } from './steer.ts';
export { StreamedText } from './streamed-text.ts';
export {
  initialView,
  type LossPoint,
  type Phase,
  type RecentLine,
  type RunSignal,
  type RunView,
  reduce,
  resultText,
  signalOf,
  type Transfer,
  type ValidationPoint,
} from './view.ts';
