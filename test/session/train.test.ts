import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createModel } from '../../src/model/index.ts';
import { mft } from '../../src/protocol/index.ts';
import {
  collect,
  collectedPaths,
  DevicePhone,
  endOf,
  RunSession,
  type RunSignal,
} from '../../src/session/index.ts';
import { type Rig, startRig } from '../support/rig.ts';
import {
  atStep,
  curveBits,
  drive,
  mftProcess,
  plan,
  SIZES,
  type Workbench,
  warningCodes,
  workbench,
} from '../support/training.ts';

let rig: Rig;
let bench: Workbench;
let undisturbed: string[];
beforeAll(async () => {
  [rig, bench] = await Promise.all([startRig(), workbench()]);
  const id = await plan(bench, rig);
  expect((await drive(bench, rig, id)).kind).toBe('finished');
  undisturbed = curveBits(bench.store, id);
  expect(undisturbed).toHaveLength(60);
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

/** The record of a run that had to end well: complete, once, and equal to the undisturbed run's to the bit. */
function expectComplete(id: string, curve = undisturbed): void {
  const { store } = bench;
  expect(store.get(id).state).toBe('finished');
  expect(curveBits(store, id)).toEqual(curve);
  expect(warningCodes(store, id)).toEqual([]);
  let last = { attempt: 0, sequence: 0 };
  for (const { attempt, sequence } of store.events(id)) {
    expect(
      attempt === last.attempt ? sequence === last.sequence + 1 : attempt > last.attempt && sequence === 1,
    ).toBe(true);
    last = { attempt, sequence };
  }
}

const attempts = (id: string) => bench.store.lastEvent(id)?.attempt;
const states = (id: string) =>
  bench.store.hostEvents(id).flatMap(({ kind, code }) => (kind === 'transition' ? [code] : []));

async function killRuntime(
  id: string,
  step: number,
  fault: (pid: number) => Promise<unknown>,
): Promise<void> {
  let pid = 0;
  let faulted: Promise<unknown> = Promise.resolve();
  const trigger = atStep(step, () => {
    faulted = fault(pid);
  });
  const end = await drive(bench, rig, id, {
    onSignal: (signal) => {
      if (signal.type === 'event' && signal.event.attemptStarted) pid = signal.event.attemptStarted.pid;
      trigger(signal);
    },
  });
  await faulted;
  expect(end.kind).toBe('finished');
}

test('the loss falls, and the result is collected, verified and exported', async () => {
  const id = await plan(bench, rig);
  const end = await drive(bench, rig, id);
  if (end.kind !== 'finished') throw new Error(end.kind);
  expectComplete(id);
  const curve = bench.store.curve(id);
  const mean = (part: typeof curve) => part.reduce((sum, { loss }) => sum + loss, 0) / part.length;
  expect(mean(curve.slice(-10))).toBeLessThan(mean(curve.slice(0, 10)));
  const paths = await collect(bench.store, new DevicePhone(rig.device), id, end.finished);
  expect(paths).toEqual(collectedPaths(bench.store, id));
  expect(readdirSync(paths?.export ?? '')).toContain('adapter_model.safetensors');
  expect(bench.store.artifacts(id).map(({ kind }) => kind)).toContain('result');
  expect(bench.store.get(id).collected).toBe(true);
});

test('full fine-tuning exports a Hugging Face folder', async () => {
  const id = await plan(bench, rig, ['method=full', 'train.steps=6']);
  const end = await drive(bench, rig, id);
  if (end.kind !== 'finished') throw new Error(end.kind);
  const paths = await collect(bench.store, new DevicePhone(rig.device), id, end.finished);
  expect(existsSync(`${paths?.export}/model.safetensors`)).toBe(true);
});

test('what the phone has is not pushed again', async () => {
  const id = await plan(bench, rig, ['train.steps=2']);
  const pushed: number[] = [];
  await drive(bench, rig, id, {
    onSignal: (signal) => void (signal.type === 'transfer' && pushed.push(signal.report.done)),
  });
  expect(pushed).toEqual([]);
});

test('adb disconnect', async () => {
  const id = await plan(bench, rig);
  let disconnected: Promise<unknown> = Promise.resolve();
  const end = await drive(bench, rig, id, {
    onSignal: atStep(12, () => {
      disconnected = rig.adb.adb('disconnect', rig.phone.serial);
    }),
  });
  await disconnected;
  expect(end.kind).toBe('finished');
  expectComplete(id);
  expect(states(id)).toContain('lost');
  expect(attempts(id)).toBe(1);
});

test('the adb server is killed', async () => {
  const id = await plan(bench, rig);
  let killed: Promise<unknown> = Promise.resolve();
  const end = await drive(bench, rig, id, {
    onSignal: atStep(12, () => {
      killed = rig.adb.kill();
    }),
  });
  await killed;
  expect(end.kind).toBe('finished');
  expectComplete(id);
  expect(states(id)).toContain('lost');
  expect(attempts(id)).toBe(1);
});

test('the runtime is killed with SIGKILL: it goes on from its checkpoint by itself', async () => {
  const id = await plan(bench, rig);
  await killRuntime(id, 25, (pid) => rig.device.exec(['kill', '-9', String(pid)]));
  expectComplete(id);
  expect(attempts(id)).toBe(2);
  const started = [...bench.store.events(id)].flatMap(({ event }) => event.attemptStarted ?? []);
  expect(started[1]?.fromStep).toBeGreaterThanOrEqual(21);
});

test('a training that goes on from an adapter resumes as it would have gone on', async () => {
  const own = ['lora.rslora=true', 'lora.r=4', 'lora.overrides={attn.c_proj: {r: 2, alpha: 3}}'];
  const first = await plan(bench, rig, ['train.steps=6', ...own]);
  const end = await drive(bench, rig, first);
  if (end.kind !== 'finished') throw new Error(end.kind);
  const paths = await collect(bench.store, new DevicePhone(rig.device), first, end.finished);
  const goOn = [`lora.init_adapter=${paths?.export}`, 'lora.dropout=0.2', 'train.steps=30'];
  const calm = await plan(bench, rig, goOn);
  expect((await drive(bench, rig, calm)).kind).toBe('finished');
  const killed = await plan(bench, rig, goOn);
  await killRuntime(killed, 15, (pid) => rig.device.exec(['kill', '-9', String(pid)]));
  expect(attempts(killed)).toBe(2);
  expect(curveBits(bench.store, killed)).toEqual(curveBits(bench.store, calm));
  expect(warningCodes(bench.store, killed)).toEqual([]);
  expect(curveBits(bench.store, calm)[0]).not.toBe(undisturbed[0]);
});

test('adbd restarts and kills everything that it ever started', async () => {
  const id = await plan(bench, rig);
  await killRuntime(id, 25, () => rig.phone.fault('adbd-restart'));
  expectComplete(id);
  expect(attempts(id)).toBe(2);
});

test('the phone reboots', async () => {
  const id = await plan(bench, rig);
  await killRuntime(id, 18, () => rig.phone.fault('reboot'));
  expectComplete(id);
  expect(attempts(id)).toBe(2);
});

test('the host process is killed with SIGKILL, again and again; attach completes the record', async () => {
  const args = ['train', '--model', bench.model, '--data', bench.data, '--plain'];
  const { SETTINGS } = await import('../support/training.ts');
  // Steps that take longer: the phone trains on while a new host starts, and four hosts are to die before its end.
  const slow = ['train.accumulation=12'];
  const calm = await plan(bench, rig, slow);
  expect((await drive(bench, rig, calm)).kind).toBe('finished');
  const known = new Set(bench.store.list().map((run) => run.id));
  const kills = ['deploying', 'starting', 'step 5', 'step 30'];
  let id: string | undefined;
  for (const moment of kills) {
    const host =
      id === undefined
        ? mftProcess(bench, rig, [
            ...args,
            ...[...SETTINGS, ...slow].flatMap((setting) => ['--set', setting]),
          ])
        : mftProcess(bench, rig, ['attach', id, '--plain']);
    const output: string[] = [];
    host.stdout?.on('data', (chunk: Buffer) => {
      output.push(chunk.toString());
      if (chunk.toString().includes(moment)) host.kill('SIGKILL');
    });
    const { signal } = await host;
    expect(signal, `killed at "${moment}"`).toBe('SIGKILL');
    id ??= bench.store.list().find((run) => !known.has(run.id))?.id;
    if (id === undefined) throw new Error(`no run was recorded: ${output.join('')}`);
  }
  const last = await mftProcess(bench, rig, ['attach', id ?? '', '--json']);
  expect(last.exitCode).toBe(0);
  expectComplete(id ?? '', curveBits(bench.store, calm));
  const lines = String(last.stdout)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({ type: 'end', outcome: 'finished', step: 60 });
  const steps = lines.filter((line) => line.kind === 'step').map((line) => line.data.step);
  expect(steps).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  const words = [...bench.store.events(id ?? '')].map(({ event }) => event).at(-1);
  expect(endOf(words as NonNullable<typeof words>).kind).toBe('finished');
});

test('a stopped run has a result; resumed, it ends as if it had not been stopped, with the new result', async () => {
  const id = await plan(bench, rig);
  const phone = new DevicePhone(rig.device);
  let stopped: Promise<unknown> = Promise.resolve();
  const session = new RunSession(bench.store, phone, id, {
    onSignal: atStep(10, () => {
      stopped = session.steer('stop');
    }),
  });
  const end = await session.drive();
  await stopped;
  if (end.kind !== 'stopped') throw new Error(end.kind);
  expect(end.finished.step).toBeLessThan(60);
  await collect(bench.store, phone, id, end.finished);
  const { result } = collectedPaths(bench.store, id);
  const early = readFileSync(`${result}/manifest.pb`);
  const second = await drive(bench, rig, id, { again: true });
  if (second.kind !== 'finished') throw new Error(second.kind);
  expect(bench.store.get(id).collected).toBe(false);
  expectComplete(id);
  await collect(bench.store, phone, id, second.finished);
  expect(readFileSync(`${result}/manifest.pb`).equals(early)).toBe(false);
  const words = [...bench.store.events(id)].map(({ event }) => event.finished?.outcome);
  expect(words.filter((outcome) => outcome !== undefined)).toHaveLength(2);
});

test('pause and resume change nothing but the time', async () => {
  const id = await plan(bench, rig);
  const session = new RunSession(bench.store, new DevicePhone(rig.device), id, {
    onSignal: (signal) => {
      if (signal.type === 'event' && signal.event.stateChanged?.state === mft.v1.RunState.RUN_STATE_PAUSED)
        void session.steer('resume');
      pause(signal);
    },
  });
  const pause = atStep(8, () => void session.steer('pause'));
  expect((await session.drive()).kind).toBe('finished');
  expectComplete(id);
  const actions = [...bench.store.events(id)].flatMap(({ event }) => event.controlApplied?.action ?? []);
  expect(actions).toEqual(['pause', 'resume']);
});

test('the phone lost the tail of its journal: the record keeps it, and the run goes on in a new attempt', async () => {
  const id = await plan(bench, rig);
  const leaving = new AbortController();
  let pid = 0;
  const end = await drive(bench, rig, id, {
    signal: leaving.signal,
    onSignal: (signal) => {
      if (signal.type !== 'event') return;
      pid = signal.event.attemptStarted?.pid ?? pid;
      if (signal.event.step?.step === 24) leaving.abort();
    },
  });
  expect(end).toEqual({ kind: 'detached', started: true });
  await rig.device.exec(['kill', '-9', String(pid)]);
  const last = bench.store.lastEvent(id);
  const journal = join(rig.phone.root, 'data/local/tmp/mft/runs', id, 'journal');
  // Cut within a frame, so that at least one event that this host has is gone.
  const whole = await stat(journal);
  await truncate(journal, Math.floor(whole.size / 2));
  expect((await drive(bench, rig, id)).kind).toBe('finished');
  expect(curveBits(bench.store, id)).toEqual(undisturbed);
  expect(attempts(id)).toBe(2);
  expect(warningCodes(bench.store, id)).toEqual(['host-ahead']);
  const kept = [...bench.store.events(id)].filter(({ attempt }) => attempt === 1);
  expect(kept.length).toBe(last?.sequence);
});

test('two hosts may watch one run; each is shown every event once', async () => {
  const id = await plan(bench, rig);
  const seen = [[] as string[], [] as string[]];
  const note = (at: 0 | 1) => (signal: RunSignal) => {
    if (signal.type === 'event') seen[at]?.push(`${signal.event.id.attempt}:${signal.event.id.sequence}`);
  };
  let second: Promise<unknown> = Promise.resolve();
  const join2 = atStep(6, () => {
    second = drive(bench, rig, id, { onSignal: note(1) });
  });
  const first = drive(bench, rig, id, {
    onSignal: (signal) => {
      note(0)(signal);
      join2(signal);
    },
  });
  expect((await first).kind).toBe('finished');
  expect(await second).toMatchObject({ kind: 'finished' });
  expectComplete(id);
  const all = [...bench.store.events(id)].map(({ attempt, sequence }) => `${attempt}:${sequence}`);
  expect(seen).toEqual([all, all]);
});

test('a run that fails says so by its own word, and what to do', async () => {
  writeFileSync(join(bench.home, 'short.txt'), 'too short');
  const id = await plan({ ...bench, data: join(bench.home, 'short.txt') }, rig);
  const end = await drive(bench, rig, id);
  expect(end).toMatchObject({ kind: 'failed', failed: { code: 'data.too-short' } });
  expect(bench.store.get(id)).toMatchObject({ state: 'failed', failure: 'data.too-short' });
});

test('contact is lost while the model is pushed: what has arrived is not pushed twice', async () => {
  await createModel('fresh', { ...SIZES, home: bench.home, seed: 77 });
  const id = await plan({ ...bench, model: 'fresh' }, rig, ['train.steps=3']);
  await rig.phone.fault('slow', { bytesPerSecond: 4_000_000 });
  let fault: Promise<unknown> | undefined;
  const embedding = bench.store.get(id).files.find(({ name }) => name === 'embedding')?.bytes ?? 0;
  const totals: number[] = [];
  const end = await drive(bench, rig, id, {
    onSignal: (signal) => {
      if (signal.type !== 'transfer') return;
      const { done, total } = signal.report;
      if (totals.at(-1) !== total) totals.push(total);
      // The next file has begun: the embedding, by far the largest, has arrived.
      if (done > embedding) fault ??= rig.phone.fault('disconnect').then(() => rig.phone.fault('clear'));
    },
  });
  await fault;
  expect(end.kind).toBe('finished');
  expect(states(id).slice(0, 5)).toEqual(['planned', 'deploying', 'lost', 'recovering', 'deploying']);
  expect(totals).toHaveLength(2);
  expect(totals[1]).toBeLessThan((totals[0] ?? 0) / 2);
  expect(bench.store.curve(id)).toHaveLength(3);
});

test('a phone that stands still for a while is waited for', async () => {
  const id = await plan(bench, rig);
  let stalled: Promise<unknown> = Promise.resolve();
  const end = await drive(bench, rig, id, {
    onSignal: atStep(10, () => {
      stalled = rig.phone.fault('stall', { seconds: 3 });
    }),
  });
  await stalled;
  expect(end.kind).toBe('finished');
  expectComplete(id);
  expect(attempts(id)).toBe(1);
});
