import { ExitCode, MftError } from '../../base/errors.ts';
import { RunStore } from '../../runs/index.ts';
import { type ControlAction, steerRun } from '../../session/index.ts';
import { phoneOf } from './context.ts';

/** What the run answered to a control, as `--json` prints it. */
export interface ControlAnswer {
  run: string;
  action: ControlAction;
  step: number;
  message: string;
}

/** Sends a control to a run and waits for its answer. @throws MftError run.control-refused when the run says no. */
export async function controlRun(
  action: ControlAction,
  reference: string,
  flags: { 'adb-server'?: string | undefined },
): Promise<ControlAnswer> {
  using store = RunStore.open();
  const run = store.find(reference);
  const applied = await steerRun(store, await phoneOf(run, flags), run.id, action);
  const { accepted, step = 0, message = '' } = applied;
  if (!accepted)
    throw new MftError(`${run.id} did not ${action}: ${message || 'no reason given'}`, {
      code: 'run.control-refused',
      exit: ExitCode.usage,
      suggestions: [`mft runs show ${run.id}`],
    });
  return { run: run.id, action, step: step ?? 0, message: message ?? '' };
}
