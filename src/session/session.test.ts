import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fate, SimulatedPhone, type Simulation } from '../../test/support/simulated-phone.ts';
import { MftError } from '../base/errors.ts';
import { mft } from '../protocol/index.ts';
import { RunStore } from '../runs/index.ts';
import { RunSession, type SessionOptions } from './session.ts';
import { steerRun } from './steer.ts';
import type { RunSignal } from './view.ts';

let home: string;
let store: RunStore;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mft-session-'));
  store = RunStore.open(home);
});
afterEach(() => {
  store.close();
  rmSync(home, { recursive: true, force: true });
});

function newRun(): string {
  const run = {
    task: 'train' as const,
    model: 'gpt2',
    method: 'lora',
    server: '127.0.0.1:1',
    serial: 'S',
    deviceName: 'simulated',
    abi: 'x86_64',
    data: 'a.txt',
    config: '',
    mftVersion: '0',
  };
  return store.create(run, (id) => ({ spec: mft.v1.RunSpec.encode({ runId: id }).finish(), files: [] })).id;
}

const lossOf = (step: number) => Math.fround(5 / step);

function phone(fate: (where: string) => Fate = () => 'fine', more: Partial<Simulation> = {}): SimulatedPhone {
  return new SimulatedPhone({ steps: 12, checkpointEvery: 4, lossOf, onHostKilled: () => {}, fate, ...more });
}

const warnings = (id: string) => store.hostEvents(id).filter(({ kind }) => kind === 'warning');
const states = (id: string) =>
  store.hostEvents(id).flatMap(({ kind, code }) => (kind === 'transition' ? [code] : []));
const expected = Array.from({ length: 12 }, (_, i) => ({ step: i + 1, loss: lossOf(i + 1) }));
const curve = (id: string) => store.curve(id).map(({ step, loss }) => ({ step, loss }));

/** A fate for each contact in turn, then peace. */
function script(fates: readonly Fate[]): () => Fate {
  let at = 0;
  return () => fates[at++] ?? 'fine';
}

describe('an undisturbed run', () => {
  test('goes through its states to the end that the run itself declares', async () => {
    const id = newRun();
    const signals: RunSignal[] = [];
    const end = await new RunSession(store, phone(), id, { onSignal: (s) => signals.push(s) }).drive();
    expect(end.kind).toBe('finished');
    expect(states(id)).toEqual(['planned', 'deploying', 'starting', 'attached', 'finished']);
    expect(curve(id)).toEqual(expected);
    const shown = signals.filter((s) => s.type === 'event');
    expect(shown.length).toBe([...store.events(id)].length);
    // Asking again changes nothing and shows everything, from the record alone.
    const again: RunSignal[] = [];
    const offline = phone(() => 'lost');
    expect((await new RunSession(store, offline, id, { onSignal: (s) => again.push(s) }).drive()).kind).toBe(
      'finished',
    );
    expect(again.filter((s) => s.type === 'event' && s.replayed).length).toBe(shown.length);
  });

  test("is failed by the run's own word, and can be started again from its checkpoint", async () => {
    const id = newRun();
    const device = phone();
    const session = new RunSession(store, device, id);
    const failing = device as unknown as { work: () => mft.v1.Event; write: SimulatedPhone['write'] };
    const work = failing.work.bind(device);
    let left = 9;
    failing.work = () => {
      left -= 1;
      if (left > 0) return work();
      device.alive = false;
      return failing.write.call(device, { failed: { code: 'io.disk-full', message: 'no space' } });
    };
    const end = await session.drive();
    expect(end).toMatchObject({ kind: 'failed', failed: { code: 'io.disk-full' } });
    expect(store.get(id)).toMatchObject({ state: 'failed', failure: 'io.disk-full', reason: 'no space' });
    expect((await new RunSession(store, device, id).drive()).kind).toBe('failed');
    left = 1000;
    expect((await new RunSession(store, device, id, { again: true }).drive()).kind).toBe('finished');
    expect(curve(id)).toEqual(expected);
    expect(warnings(id)).toEqual([]);
  });
});

describe('whatever is lost or killed, the record is complete', () => {
  const fates: Fate[] = ['lost', 'host-killed', 'process-killed', 'tail-lost', 'end-of-stream'];

  test.each(fates)('%s at any contact', async (fate) => {
    const contacts = 40;
    for (let at = 0; at < contacts; at += 1) await survives([...Array<Fate>(at).fill('fine'), fate]);
  });

  test('any sequence of them', async () => {
    const fate = fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fate>('fine') },
      { weight: 2, arbitrary: fc.constantFrom(...fates) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { maxLength: 80 }), async (plan) => {
        // Never three killed processes without a step between: that is a crash loop, tested below.
        const kills = plan.filter((f) => f === 'process-killed' || f === 'tail-lost').length;
        fc.pre(kills < 4);
        await survives(plan);
      }),
      { numRuns: 120 },
    );
  }, 120_000);

  async function survives(plan: readonly Fate[]): Promise<void> {
    const id = newRun();
    let killed: () => void = () => {};
    const device = phone(script(plan), { onHostKilled: () => killed() });
    for (let hosts = 0; ; hosts += 1) {
      expect(hosts).toBeLessThan(plan.length + 2);
      const death = new Promise<'killed'>((resolve) => {
        killed = () => resolve('killed');
      });
      // A killed host is one whose promises never settle; the next one opens the record anew.
      const leaving = new AbortController();
      const outcome = await Promise.race([
        new RunSession(store, device, id, { contactMs: 5000, signal: leaving.signal }).drive(),
        death,
      ]);
      if (outcome === 'killed') continue;
      expect(outcome.kind).toBe('finished');
      break;
    }
    const stored = [...store.events(id)];
    const ids = stored.map(({ attempt, sequence }) => `${attempt}:${sequence}`);
    expect(new Set(ids).size).toBe(ids.length);
    for (const event of device.journalled) expect(ids).toContain(`${event.id.attempt}:${event.id.sequence}`);
    for (const key of ids) expect(device.sent.has(key)).toBe(true);
    expect(curve(id)).toEqual(expected);
    expect(warnings(id).filter(({ code }) => code !== 'host-ahead')).toEqual([]);
    expect(store.get(id).state).toBe('finished');
  }
});

describe('what does not heal is told', () => {
  test('contact that does not come back', async () => {
    const id = newRun();
    const device = phone(() => 'lost');
    const failure = await new RunSession(store, device, id, { contactMs: 50 })
      .drive()
      .catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(MftError);
    expect(failure).toMatchObject({ code: 'session.lost-contact', exit: 6 });
    expect(store.get(id).state).toBe('lost');
  });

  test('a run that dies again and again without getting further', async () => {
    const id = newRun();
    let live = 0;
    const device = phone((where) => (where === 'live' && ++live % 4 === 0 ? 'process-killed' : 'fine'));
    const failure = await new RunSession(store, device, id).drive().catch((e: unknown) => e);
    expect(failure).toMatchObject({ code: 'run.crash-loop', exit: 5 });
    expect(String(failure)).toContain('the last words');
    expect(device.starts).toBe(4);
    expect(store.get(id)).toMatchObject({ state: 'failed', failure: 'run.crash-loop' });
  });

  test('a run that gets further each time may die often', async () => {
    const id = newRun();
    let live = 0;
    const device = phone((where) => (where === 'live' && ++live % 9 === 0 ? 'process-killed' : 'fine'), {
      steps: 40,
    });
    expect((await new RunSession(store, device, id).drive()).kind).toBe('finished');
    expect(device.starts).toBeGreaterThan(5);
  });

  test('a recomputed step with another loss', async () => {
    const id = newRun();
    let live = 0;
    const device = phone((where) => (where === 'live' && ++live === 11 ? 'process-killed' : 'fine'), {
      lossOf: (step, attempt) => (attempt > 1 && step === 6 ? 9 : lossOf(step)),
    });
    await new RunSession(store, device, id).drive();
    expect(warnings(id).map(({ code }) => code)).toEqual(['determinism']);
    expect(warnings(id)[0]?.message).toContain('step 6 ');
  });

  test('a journal that lost its tail: nothing that the host has is lost, and it is told', async () => {
    const id = newRun();
    let live = 0;
    const device = phone((where) => (where === 'live' && ++live === 8 ? 'tail-lost' : 'fine'));
    expect((await new RunSession(store, device, id).drive()).kind).toBe('finished');
    expect([...store.events(id)].length).toBeGreaterThan(device.journalled.length);
    expect(curve(id)).toEqual(expected);
  });
});

describe('leaving', () => {
  const leaveAfter = async (events: number, more: Partial<SessionOptions> = {}) => {
    const id = newRun();
    const device = phone();
    const leaving = new AbortController();
    let seen = 0;
    const onSignal = (signal: RunSignal) => {
      if (signal.type === 'event' && ++seen === events) leaving.abort();
    };
    const end = await new RunSession(store, device, id, {
      onSignal,
      signal: leaving.signal,
      ...more,
    }).drive();
    return { id, device, end };
  };

  test('leaves the run going on; coming back completes the record', async () => {
    const { id, device, end } = await leaveAfter(5);
    expect(end).toEqual({ kind: 'detached', started: true });
    expect(store.get(id).state).toBe('detached');
    expect((await new RunSession(store, device, id).drive()).kind).toBe('finished');
    expect(device.starts).toBe(1);
    expect(curve(id)).toEqual(expected);
  });

  test('before it is on the phone loses nothing', async () => {
    const id = newRun();
    const device = phone();
    const end = await new RunSession(store, device, id, { signal: AbortSignal.abort() }).drive();
    expect(end).toEqual({ kind: 'detached', started: false });
    expect((await new RunSession(store, device, id).drive()).kind).toBe('finished');
  });

  test('--detach leaves as soon as it has started', async () => {
    const { id, device, end } = await leaveAfter(1e9, { detachAfterStart: true });
    expect(end).toEqual({ kind: 'detached', started: true });
    expect(states(id)).toEqual(['planned', 'deploying', 'starting', 'detached']);
    expect(device.alive).toBe(true);
  });
});

describe('steering', () => {
  test('waits for the acknowledgement, across a lost connection, and takes effect once for its id', async () => {
    const id = newRun();
    let live = 0;
    const device = phone((where) => (where === 'live' && ++live === 4 ? 'lost' : 'fine'));
    const session = new RunSession(store, device, id);
    const applied = session.steer('checkpoint');
    const end = session.drive();
    expect(await applied).toMatchObject({ accepted: true, action: 'checkpoint' });
    expect((await end).kind).toBe('finished');
    expect(new Set(device.applied).size).toBe(1);
  });

  test('from another process, into the same record', async () => {
    const id = newRun();
    const device = phone();
    await new RunSession(store, device, id, { detachAfterStart: true }).drive();
    const other = RunStore.open(home);
    expect(await steerRun(other, device, id, 'pause')).toMatchObject({ accepted: true, action: 'pause' });
    other.close();
    expect((await new RunSession(store, device, id).drive()).kind).toBe('finished');
    await expect(steerRun(store, device, id, 'pause')).rejects.toMatchObject({
      code: 'run.not-running',
      exit: 2,
    });
  });

  test('fails when the run ends first, or has ended', async () => {
    const id = newRun();
    const device = phone();
    device.mute = true;
    const session = new RunSession(store, device, id);
    const early = session.steer('pause').catch((error: unknown) => error);
    await session.drive();
    expect(await early).toBeInstanceOf(Error);
    await expect(session.steer('pause')).rejects.toThrow('over');
  });
});
