import { setTimeout as sleep } from 'node:timers/promises';
import type { AdbDevice, DeviceSocket } from '../adb/index.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import { log } from '../base/log.ts';
import type { Operation } from '../base/progress.ts';
import { DeviceStore, Runtime } from '../device/index.ts';
import { mft } from '../protocol/index.ts';
import type { EventId, RawEvent, RunRecord } from '../runs/index.ts';
import { LinkLost } from './client.ts';
import type { RunPhone } from './phone.ts';
import { decodeDeviceFrame } from './wire.ts';

/** Name of the runtime among a run's files. */
export const RUNTIME_FILE = 'runtime';

/** Short answers; a phone under load may take its time. */
const ANSWER_MS = 60_000;
/** The runtime answers once the run is set up far enough to be attached to: files are hashed before that. */
const START_MS = 600_000;
const FAREWELL_POLL_MS = 50;
const BATCH = 256;
const LOG_LINES = '20';

/** Owner only: token and specification are secrets of whoever started the run. */
const MAKE_RUN_FOLDER = 'umask 077; mkdir -p "$1"';

/** A real (or virtual) phone behind adb. */
export class DevicePhone implements RunPhone {
  readonly device: AdbDevice;
  readonly store: DeviceStore;

  constructor(device: AdbDevice, store: DeviceStore = new DeviceStore(device)) {
    this.device = device;
    this.store = store;
  }

  get name(): string {
    return this.device.toString();
  }

  async deploy(run: RunRecord, token: Uint8Array, operation: Operation): Promise<void> {
    const items = run.files.map(({ name, path, sha256, bytes }) => ({
      localPath: path,
      sha256,
      bytes,
      ...(name === RUNTIME_FILE ? { mode: 0o755 } : {}),
    }));
    const sent = await this.store.putAll(items, operation);
    log('session').debug({ run: run.id, sent }, 'files are on the phone');
    const folder = this.store.runPath(run.id);
    const wait = { timeoutMs: ANSWER_MS, ...(operation.signal ? { signal: operation.signal } : {}) };
    const made = await this.device.exec(['sh', '-c', MAKE_RUN_FOLDER, 'mft', folder], wait);
    if (made.exitCode !== 0) throw commandFailed(this.name, `mkdir ${folder}`, made.stderr);
    // The specification last: where it is, the run is complete.
    await this.pushSecret(`${folder}/token`, token, operation);
    await this.pushSecret(`${folder}/spec.pb`, run.spec, operation);
  }

  facts(run: RunRecord): Promise<mft.v1.DeviceFacts> {
    return this.runtime(run).facts({ timeoutMs: ANSWER_MS });
  }

  async status(run: RunRecord): Promise<mft.v1.RunStatus> {
    try {
      return await this.runtime(run).status(run.id, { timeoutMs: ANSWER_MS });
    } catch (error) {
      const missing = error instanceof MftError && error.code === 'runtime.not-runnable';
      if (!missing || (await this.hasRuntime(run))) throw error;
      return mft.v1.RunStatus.create({ runId: run.id });
    }
  }

  async start(run: RunRecord, minAttempt: number): Promise<void> {
    const { pid, alreadyRunning } = await this.runtime(run).start(run.id, {
      minAttempt,
      timeoutMs: START_MS,
    });
    log('session').debug({ run: run.id, pid, alreadyRunning }, 'started');
  }

  async *journal(run: RunRecord, after: EventId | undefined): AsyncGenerator<RawEvent[], void, void> {
    let batch: RawEvent[] = [];
    for await (const payload of this.runtime(run).eventFrames(run.id, after)) {
      const incoming = decodeDeviceFrame(payload);
      if (incoming.type !== 'event') throw new LinkLost('the journal holds something that is not an event');
      batch.push(incoming.raw);
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  }

  connect(run: RunRecord): Promise<DeviceSocket> {
    return this.device.openAbstract(`mft-${run.id}`, { timeoutMs: ANSWER_MS });
  }

  async logTail(run: RunRecord): Promise<string> {
    const file = `${this.store.runPath(run.id)}/log`;
    const { stdout } = await this.device.exec(['tail', '-n', LOG_LINES, file], { timeoutMs: ANSWER_MS });
    return stdout.toString().trim();
  }

  async pull(
    run: RunRecord,
    path: string,
    local: string,
    sha256: string,
    operation: Operation,
  ): Promise<number> {
    const remote = `${this.store.runPath(run.id)}/${path}`;
    return (await this.device.pull(remote, local, { ...operation, sha256 })).bytes;
  }

  /**
   * Deletes the run's folder on the phone.
   *
   * @param waitMs a process that has said its last word stays a little for those who listen: how long to wait for its end
   * @throws MftError run.may-be-running when a process still serves it.
   */
  async forget(run: RunRecord, waitMs = 0): Promise<void> {
    const until = Date.now() + waitMs;
    let { alive } = await this.status(run);
    while (alive && Date.now() < until) {
      await sleep(FAREWELL_POLL_MS);
      ({ alive } = await this.status(run));
    }
    if (alive)
      throw new MftError(`${run.id} is still going on on ${this.name}`, {
        code: 'run.may-be-running',
        exit: ExitCode.usage,
        suggestions: [`mft stop ${run.id}`],
      });
    const folder = this.store.runPath(run.id);
    const { exitCode, stderr } = await this.device.exec(['rm', '-rf', folder], { timeoutMs: ANSWER_MS });
    if (exitCode !== 0) throw commandFailed(this.name, `rm -rf ${folder}`, stderr);
  }

  reconnect(options: { signal?: AbortSignal; timeoutMs: number }): Promise<void> {
    return this.device.reconnect(options);
  }

  private runtime(run: RunRecord): Runtime {
    return new Runtime(this.device, this.store.path(this.runtimeHash(run)), this.store.root);
  }

  private async hasRuntime(run: RunRecord): Promise<boolean> {
    const hash = this.runtimeHash(run);
    return (await this.store.has([hash], { timeoutMs: ANSWER_MS })).has(hash);
  }

  private runtimeHash(run: RunRecord): string {
    const file = run.files.find(({ name }) => name === RUNTIME_FILE);
    if (file) return file.sha256;
    throw new MftError(`the record of ${run.id} names no runtime`, {
      code: 'internal',
      exit: ExitCode.internal,
    });
  }

  private async pushSecret(remote: string, bytes: Uint8Array, { signal }: Operation): Promise<void> {
    const there = await this.device.stat(remote, { timeoutMs: ANSWER_MS });
    if (there?.size === bytes.length) return; // pushes are whole or not at all, and neither file ever changes
    await this.device.push(bytes, remote, { mode: 0o600, sha256: true, ...(signal ? { signal } : {}) });
  }
}

function commandFailed(phone: string, what: string, stderr: Buffer): MftError {
  return new MftError(`${what} failed on ${phone}: ${stderr.toString().trim().slice(0, 2000)}`, {
    code: 'device.command-failed',
    exit: ExitCode.incapable,
  });
}
