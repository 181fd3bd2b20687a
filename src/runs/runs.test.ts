import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import { mft } from '../protocol/index.ts';
import { type NewRun, RUN_ID, RunStore, slug } from './index.ts';

let home: string;
let store: RunStore;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mft-runs-'));
  store = RunStore.open(home);
});
afterEach(() => {
  store.close();
  rmSync(home, { recursive: true, force: true });
});

const plan: NewRun = {
  task: 'train',
  model: 'gpt2',
  method: 'lora',
  server: '127.0.0.1:5037',
  serial: 'X',
  deviceName: 'Pixel 8',
  abi: 'arm64-v8a',
  data: 'a.txt',
  config: 'seed: 1\n',
  mftVersion: '0.1.0',
};

const files = [{ name: 'runtime', sha256: 'ab', path: '/x', bytes: 3 }];
const empty = () => ({ spec: new Uint8Array([1, 2]), files });

function step(attempt: number, sequence: number, number: number, loss: number) {
  const event = mft.v1.Event.decode(
    mft.v1.Event.encode({ id: { attempt, sequence }, timeMs: 1, step: { step: number, loss } }).finish(),
  );
  return { event, bytes: mft.v1.Event.encode(event).finish() };
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof MftError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('ids', () => {
  test('are what the phone accepts, whatever the model is called', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.webPath(), fc.constantFrom('Qwen/Qwen2.5-0.5B', '../..', '')),
        (name) => {
          expect(`${slug(name)}-20261122-abcd`).toMatch(RUN_ID);
        },
      ),
    );
    expect(slug('Qwen/Qwen2.5-0.5B')).toBe('qwen2-5-0-5b');
  });

  test('a unique beginning is enough; else the error helps', () => {
    const a = store.create({ ...plan, name: 'alpha' }, empty);
    const b = store.create({ ...plan, name: 'beta' }, empty);
    expect(store.find('al').id).toBe(a.id);
    expect(store.find(b.id).id).toBe(b.id);
    store.create({ ...plan, name: 'alpine' }, empty);
    expect(code(() => store.find('al'))).toBe('run.ambiguous');
    expect(code(() => store.find(''))).toBe('run.unknown');
    expect(code(() => store.find('%'))).toBe('run.unknown');
    try {
      store.find(b.id.replace('beta', 'bets'));
    } catch (error) {
      expect((error as MftError).suggestions[0]).toBe(b.id);
      expect((error as MftError).exit).toBe(2);
    }
  });
});

describe('events', () => {
  test('come in exactly once, whatever is replayed', () => {
    const { id } = store.create(plan, empty);
    const events = [step(1, 1, 1, 3), step(1, 2, 2, 2.5), step(2, 1, 2, 2.5), step(2, 2, 3, 2)];
    fc.assert(
      fc.property(fc.array(fc.subarray(events, { minLength: 1 }), { maxLength: 6 }), (batches) => {
        for (const batch of batches) store.append(id, batch);
      }),
    );
    store.append(id, events);
    expect(store.append(id, events)).toEqual(['duplicate', 'duplicate', 'duplicate', 'duplicate']);
    expect([...store.events(id)].map((e) => [e.attempt, e.sequence])).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
      [2, 2],
    ]);
    expect([...store.events(id, { attempt: 1, sequence: 1 })].length).toBe(3);
    expect(store.lastEvent(id)).toEqual({ attempt: 2, sequence: 2 });
    expect(store.hostEvents(id).filter((e) => e.kind === 'warning')).toEqual([]);
  });

  test('all or none of a batch are stored', () => {
    const { id } = store.create(plan, empty);
    const broken = { event: new mft.v1.Event(), bytes: new Uint8Array() };
    expect(() => store.append(id, [step(1, 1, 1, 3), broken])).toThrow(RangeError);
    expect(store.lastEvent(id)).toBeUndefined();
  });

  test('the curve takes the newest attempt of a step; an equal loss is silent, another is a warning', () => {
    const { id } = store.create(plan, empty);
    const third = Math.fround(1 / 3);
    store.append(id, [step(1, 1, 1, 3), step(1, 2, 2, third), step(1, 3, 3, 1.5)]);
    store.append(id, [step(2, 1, 2, third)]);
    expect(store.hostEvents(id).filter((e) => e.kind === 'warning')).toEqual([]);
    store.append(id, [step(2, 2, 3, 1.5 + 2 ** -23)]);
    expect(store.curve(id)).toEqual([
      { step: 1, attempt: 1, loss: 3 },
      { step: 2, attempt: 2, loss: third },
      { step: 3, attempt: 2, loss: 1.5 + 2 ** -23 },
    ]);
    expect(
      store
        .hostEvents(id)
        .filter((e) => e.kind === 'warning')
        .map((e) => e.code),
    ).toEqual(['determinism']);
  });

  test('signed zero and NaN are compared by their bits', () => {
    const { id } = store.create(plan, empty);
    store.append(id, [step(1, 1, 1, 0), step(1, 2, 2, Number.NaN)]);
    store.append(id, [step(2, 1, 1, -0), step(2, 2, 2, Number.NaN)]);
    const warnings = store.hostEvents(id).filter((e) => e.kind === 'warning');
    expect(warnings.length).toBe(1);
    expect(warnings[0]?.message).toContain('step 1 ');
  });

  test('an event that changed is kept as it first was, and told', () => {
    const { id } = store.create(plan, empty);
    store.append(id, [step(1, 1, 1, 3)]);
    expect(store.append(id, [step(1, 1, 1, 4)])).toEqual(['conflict']);
    expect(store.curve(id)[0]?.loss).toBe(3);
    expect(store.hostEvents(id).at(-1)?.code).toBe('journal-conflict');
  });

  test('streaming many events keeps memory flat', () => {
    const { id } = store.create(plan, empty);
    const total = 60_000;
    for (let at = 0; at < total; at += 5000)
      store.append(
        id,
        Array.from({ length: 5000 }, (_, i) => step(1, at + i + 1, at + i + 1, 1)),
      );
    let seen = 0;
    let peak = 0;
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    for (const { sequence } of store.events(id)) {
      seen += 1;
      expect(sequence).toBe(seen);
      if (seen % 5000 === 0) {
        const usage = process.memoryUsage();
        peak = Math.max(peak, usage.heapUsed + usage.arrayBuffers - before);
      }
    }
    expect(seen).toBe(total);
    expect(peak).toBeLessThan(64e6);
  });
});

describe('the record', () => {
  test('keeps what it was told, across openings', () => {
    const { id } = store.create(plan, empty);
    store.update(id, {
      collected: true,
    });
    store.setState(id, 'deploying', 'why');
    store.addArtifact(id, { kind: 'result', name: 'adapter', path: '/y', sha256: 'cd', bytes: 4 });
    store.close();
    store = RunStore.open(home);
    const run = store.get(id);
    expect(run).toMatchObject({ ...plan, state: 'deploying', collected: true });
    expect([...run.spec]).toEqual([1, 2]);
    expect(run.files[0]?.path).toBe('/x');
    expect(store.hostEvents(id).map((e) => e.code)).toEqual(['planned', 'deploying']);
    expect(store.artifacts(id)).toHaveLength(1);
    expect(statSync(store.folder(id)).mode & 0o777).toBe(0o700);
    store.remove(id);
    expect(store.list()).toEqual([]);
    expect(code(() => store.get(id))).toBe('run.unknown');
  });

  test('two processes may write at once', () => {
    const other = RunStore.open(home);
    const { id } = store.create(plan, empty);
    other.append(id, [step(1, 1, 1, 3)]);
    store.append(id, [step(1, 1, 1, 3), step(1, 2, 2, 2)]);
    expect([...other.events(id)]).toHaveLength(2);
    other.close();
  });

  test('a record of a newer mft is refused with words', () => {
    store.close();
    const database = new DatabaseSync(join(home, 'mft.sqlite'));
    database.exec('PRAGMA user_version = 999');
    database.close();
    expect(code(() => RunStore.open(home))).toBe('runs.newer-record');
    rmSync(join(home, 'mft.sqlite'));
    store = RunStore.open(home);
  });
});
