import { ExitCode, MftError } from '../base/errors.ts';
import { version } from '../base/version.ts';
import type { mft } from '../protocol/index.ts';
import type { RunStore } from '../runs/index.ts';
import { LinkLost, SessionClient } from './client.ts';
import { type ControlAction, newControl } from './control.ts';
import { isLost } from './outcome.ts';
import type { RunPhone } from './phone.ts';
import { RunRecorder } from './recorder.ts';
import { runToken } from './token.ts';

const ATTEMPTS = 5;

/**
 * One control from a host that is not attached (another terminal): connects, takes in what the record lacks, and waits for
 * the acknowledgement. The control keeps its id across lost connections, so it takes effect once.
 *
 * @throws MftError run.not-running when no process serves the run.
 */
export async function steerRun(
  store: RunStore,
  phone: RunPhone,
  id: string,
  action: ControlAction,
  signal?: AbortSignal,
): Promise<mft.v1.IControlApplied> {
  const control = newControl(action);
  const token = runToken(store, id);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const status = await phone.status(store.get(id));
      if (!status.alive) throw notRunning(id, action, status);
      return await send(store, phone, id, control, token);
    } catch (error) {
      if (!isLost(error) || attempt === ATTEMPTS) throw error;
      await phone.reconnect({ timeoutMs: 60_000, ...(signal ? { signal } : {}) });
    }
  }
}

async function send(
  store: RunStore,
  phone: RunPhone,
  id: string,
  control: ReturnType<typeof newControl>,
  token: Uint8Array,
): Promise<mft.v1.IControlApplied> {
  let applied: mft.v1.IControlApplied | undefined;
  const recorder = new RunRecorder(store, id, (signal) => {
    if (signal.type === 'event' && signal.event.controlApplied?.controlId === control.id)
      applied = signal.event.controlApplied;
  });
  recorder.cursor = store.lastEvent(id); // what is in the record is of no interest here
  const { stream } = await phone.connect(store.get(id));
  const client = await SessionClient.open(stream, { token, last: recorder.cursor, client: `mft ${version}` });
  client.send(control);
  for await (const batch of client.events()) {
    recorder.take(batch);
    if (applied) return applied;
  }
  throw new LinkLost('the runtime closed the connection before it acknowledged the control');
}

function notRunning(id: string, action: ControlAction, status: mft.v1.IRunStatus): MftError {
  const how = status.ended
    ? 'it has ended'
    : status.exists
      ? 'its process is gone'
      : 'it is not on the phone';
  return new MftError(`can't ${action} ${id}: ${how}`, {
    code: 'run.not-running',
    exit: ExitCode.usage,
    suggestions: [`mft runs show ${id}`, `mft resume ${id} starts it again from its last checkpoint.`],
  });
}
