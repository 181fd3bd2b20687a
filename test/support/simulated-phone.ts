/**
 * A phone made of a few variables, for tests of the session alone: a run that journals, dies, resumes from checkpoints and
 * serves sockets by the protocol, and an adversary that decides at every contact whether it is lost. What a real phone does
 * is tested on the virtual ones (test/session).
 */
import { Duplex } from 'node:stream';
import type { DeviceSocket } from '../../src/adb/index.ts';
import { ExitCode, MftError } from '../../src/base/errors.ts';
import { encodeFrame, FrameDecoder, mft } from '../../src/protocol/index.ts';
import type { EventId, RawEvent, RunRecord } from '../../src/runs/index.ts';
import type { RunPhone } from '../../src/session/phone.ts';

/** What the adversary does at one contact. */
export type Fate = 'fine' | 'lost' | 'host-killed' | 'process-killed' | 'tail-lost' | 'end-of-stream';

export interface Simulation {
  steps: number;
  checkpointEvery: number;
  /** Asked at every contact. */
  fate(where: string): Fate;
  /** Called when the host is killed: nothing that it awaits ever settles. */
  onHostKilled(): void;
  lossOf(step: number, attempt: number): number;
}

const never = new Promise<never>(() => {});

export class SimulatedPhone implements RunPhone {
  readonly name = 'simulated';
  readonly journalled: mft.v1.Event[] = [];
  /** Everything that ever left the phone, even if the journal lost it later. */
  readonly sent = new Map<string, Uint8Array>();
  readonly applied: number[] = [];
  deployed = false;
  /** Controls are not answered. */
  mute = false;
  alive = false;
  attempt = 0;
  starts = 0;
  private step = 0;
  private checkpoint = 0;
  private sequence = 0;
  private readonly simulation: Simulation;

  constructor(simulation: Simulation) {
    this.simulation = simulation;
  }

  async deploy(): Promise<void> {
    await this.contact('deploy begins');
    this.deployed = true;
    await this.contact('deploy is over');
  }

  async facts(): Promise<mft.v1.DeviceFacts> {
    return mft.v1.DeviceFacts.create({ abi: 'x86_64' });
  }

  async status(run: RunRecord): Promise<mft.v1.RunStatus> {
    await this.contact('status');
    const last = this.journalled.at(-1);
    return mft.v1.RunStatus.create({
      runId: run.id,
      exists: this.deployed,
      alive: this.alive,
      ended: this.ended,
      ...(last ? { journalLast: last.id } : {}),
    });
  }

  async start(_run: RunRecord, minAttempt: number): Promise<void> {
    await this.contact('start begins');
    if (!this.deployed) throw new Error('started before it was deployed');
    if (!this.alive) {
      this.starts += 1;
      this.alive = true;
      this.attempt = Math.max((this.journalled.at(-1)?.id.attempt ?? 0) + 1, minAttempt);
      this.sequence = 0;
      this.step = this.checkpoint;
      this.write({ attemptStarted: { fromStep: this.step, totalSteps: this.simulation.steps } });
    }
    await this.contact('start is over');
  }

  async *journal(_run: RunRecord, after: EventId | undefined): AsyncGenerator<RawEvent[], void, void> {
    for (const event of this.after(after)) {
      await this.contact('journal');
      yield [{ event, bytes: this.send(event) }];
    }
  }

  async connect(): Promise<DeviceSocket> {
    await this.contact('connect');
    if (!this.alive)
      throw new MftError('nobody listens', { code: 'adb.socket-refused', exit: ExitCode.lostContact });
    return { stream: this.serve(), closeCause: async () => 'transport-lost' };
  }

  async logTail(): Promise<string> {
    return 'the last words';
  }

  async pull(): Promise<number> {
    throw new Error('not in this test');
  }

  async reconnect(): Promise<void> {}

  private get ended(): boolean {
    const last = this.journalled.at(-1);
    return Boolean(last?.finished ?? last?.failed);
  }

  private after(last: EventId | null | undefined): mft.v1.Event[] {
    const attempt = last?.attempt ?? 0;
    return this.journalled.filter(
      ({ id }) => id.attempt > attempt || (id.attempt === attempt && id.sequence > (last?.sequence ?? 0)),
    );
  }

  private write(body: mft.v1.Event.$Properties): mft.v1.Event {
    this.sequence += 1;
    const id = { attempt: this.attempt, sequence: this.sequence };
    const event = mft.v1.Event.decode(mft.v1.Event.encode({ ...body, id }).finish());
    this.journalled.push(event);
    return event;
  }

  /** Does a piece of the run's work. */
  private work(): mft.v1.Event {
    if (this.step === this.simulation.steps) {
      const event = this.write({ finished: { outcome: 1, step: this.step } });
      this.alive = false;
      return event;
    }
    if (this.step > this.checkpoint && this.step % this.simulation.checkpointEvery === 0) {
      this.checkpoint = this.step;
      return this.write({ checkpointSaved: { step: this.step } });
    }
    this.step += 1;
    return this.write({ step: { step: this.step, loss: this.simulation.lossOf(this.step, this.attempt) } });
  }

  /** The process is gone, and what it had not synced. */
  private die(tail: number): void {
    this.alive = false;
    if (this.ended) return;
    // A checkpoint is never older than the journal says.
    while (tail > 0 && this.journalled.length > 1 && this.journalled.at(-1)?.step) {
      this.journalled.pop();
      tail -= 1;
    }
  }

  private send(event: mft.v1.Event): Uint8Array {
    const bytes = mft.v1.Event.encode(event).finish();
    this.sent.set(`${event.id.attempt}:${event.id.sequence}`, bytes);
    return bytes;
  }

  private async contact(where: string): Promise<void> {
    const fate = this.simulation.fate(where);
    if (fate === 'host-killed') {
      this.simulation.onHostKilled();
      await never;
    }
    if (fate === 'process-killed') this.die(0);
    if (fate === 'tail-lost') this.die(2);
    if (fate === 'lost')
      throw new MftError('lost', { code: 'adb.transport-lost', exit: ExitCode.lostContact });
  }

  private serve(): Duplex {
    const decoder = new FrameDecoder();
    const stream: Duplex = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        for (const frame of decoder.push(chunk)) {
          const { hello, control } = mft.v1.HostFrame.decode(frame);
          if (hello) void this.talk(stream, hello);
          if (control && !this.mute) {
            this.applied.push(control.id);
            this.write({
              controlApplied: { controlId: control.id, accepted: true, action: control.action ?? '' },
            });
          }
        }
        done();
      },
    });
    return stream;
  }

  private async talk(stream: Duplex, hello: mft.v1.IHello): Promise<void> {
    const push = (frame: mft.v1.DeviceFrame.$Properties) =>
      stream.push(encodeFrame(mft.v1.DeviceFrame.encode(frame).finish()));
    const last = this.journalled.at(-1)?.id;
    const ahead =
      hello.last !== null &&
      hello.last !== undefined &&
      !this.journalled.some(
        ({ id }) => id.attempt === hello.last?.attempt && id.sequence === hello.last?.sequence,
      );
    push({ welcome: { protocolMajor: 1, hostAhead: ahead, ...(last ? { journalLast: last } : {}) } });
    let position: EventId | undefined = hello.last
      ? { attempt: hello.last.attempt ?? 0, sequence: hello.last.sequence ?? 0 }
      : undefined;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (stream.destroyed) return;
      const fate = this.simulation.fate('live');
      if (fate === 'host-killed') return this.simulation.onHostKilled();
      if (fate === 'end-of-stream') return void stream.push(null);
      if (fate === 'lost') return void stream.destroy(new Error('reset'));
      if (fate === 'process-killed' || fate === 'tail-lost') {
        this.die(fate === 'tail-lost' ? 2 : 0);
        return void stream.push(null);
      }
      if (this.after(position).length === 0) {
        if (!this.alive) return void stream.push(null);
        this.work();
      }
      for (const event of this.after(position)) {
        position = { attempt: event.id.attempt, sequence: event.id.sequence };
        stream.push(
          encodeFrame(mft.v1.DeviceFrame.encode({ event: mft.v1.Event.decode(this.send(event)) }).finish()),
        );
      }
    }
  }
}
