import type { ControlAction, RunSignal } from '../session/index.ts';

/** What a person at a live view can do. */
export interface RunControls {
  /** Asks the phone; settles when it acknowledged, rejects when the run ended first. */
  steer(action: ControlAction): Promise<{ accepted?: boolean | null; message?: string | null }>;
  /** Leave; the run goes on. */
  detach(): void;
}

/** One way to show a run while it goes: dashboard, plain lines, JSON lines. Signals come in order, each once. */
export interface RunRenderer {
  onSignal(signal: RunSignal): void;
  /** Everything shown; the terminal is as it was. */
  close(): Promise<void>;
}
